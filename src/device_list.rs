//! `visavis devices`: what can follow `device:`, for people or for programs, on stdout.

use std::io::{self, Write};

use call_engine::{CameraInfo, DeviceName, list_cameras, list_devices};
use serde::Serialize;

use crate::args::DeviceListFormat;
use crate::headless::watch::Outcome;

/// Everything there is, as it is printed for programs.
#[derive(Debug, Serialize)]
struct Devices {
    cameras: Vec<Device>,
    microphones: Vec<Device>,
    speakers: Vec<Device>,
    /// Sharing a real screen is not part of this version: always empty.
    screens: Vec<Device>,
}

#[derive(Debug, Serialize)]
struct Device {
    name: String,
    default: bool,
    /// Picture modes like `1280x720@30`, the one that would be chosen first. Null where there is no picture.
    modes: Option<Vec<String>>,
}

/// Asks the system, which may take a while, and prints.
#[must_use]
pub fn print(format: DeviceListFormat) -> Outcome {
    let sound = list_devices();
    let devices = Devices {
        cameras: list_cameras().into_iter().map(Device::from).collect(),
        microphones: sound.microphones.into_iter().map(Device::from).collect(),
        speakers: sound.speakers.into_iter().map(Device::from).collect(),
        screens: Vec::new(),
    };
    let text = match format {
        DeviceListFormat::Text => Ok(as_text(&devices)),
        DeviceListFormat::Json => serde_json::to_string_pretty(&devices).map(|json| json + "\n"),
    };
    let printed = text
        .map_err(io::Error::from)
        .and_then(|text| io::stdout().lock().write_all(text.as_bytes()));
    match printed {
        Ok(()) => Outcome::Completed,
        Err(error) => Outcome::Failed(format!("The list could not be printed ({error}).")),
    }
}

fn as_text(devices: &Devices) -> String {
    let groups = [
        ("Cameras", &devices.cameras),
        ("Microphones", &devices.microphones),
        ("Speakers", &devices.speakers),
    ];
    let mut text = String::new();
    for (title, list) in groups {
        text += &format!("{title}:\n");
        if list.is_empty() {
            text += "  none found\n";
        }
        for device in list {
            let default = if device.default { " (default)" } else { "" };
            text += &format!("  {}{default}\n", device.name);
            if let Some(modes) = device.modes.as_ref().filter(|modes| !modes.is_empty()) {
                text += &format!("    {}\n", modes.join(", "));
            }
        }
    }
    text
}

impl From<CameraInfo> for Device {
    fn from(camera: CameraInfo) -> Self {
        Self {
            name: camera.name,
            default: camera.is_default,
            modes: Some(camera.modes),
        }
    }
}

impl From<DeviceName> for Device {
    fn from(device: DeviceName) -> Self {
        Self {
            name: device.name,
            default: device.is_default,
            modes: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Devices {
        let camera = CameraInfo {
            name: "Cam".into(),
            modes: vec!["1280x720@30".into(), "640x480@30".into()],
            is_default: true,
        };
        let speaker = DeviceName {
            name: "Loud".into(),
            is_default: false,
        };
        Devices {
            cameras: vec![camera.into()],
            microphones: Vec::new(),
            speakers: vec![speaker.into()],
            screens: Vec::new(),
        }
    }

    #[test]
    fn people_see_names_modes_and_what_is_missing() {
        let expected = "Cameras:\n  Cam (default)\n    1280x720@30, 640x480@30\n\
                        Microphones:\n  none found\nSpeakers:\n  Loud\n";
        assert_eq!(as_text(&some()), expected);
    }

    #[test]
    fn programs_see_one_object_with_all_kinds() {
        let json = serde_json::to_value(some()).expect("JSON");
        assert_eq!(json["cameras"][0]["modes"][0], "1280x720@30");
        assert_eq!(json["speakers"][0]["modes"], serde_json::Value::Null);
        for kind in ["cameras", "microphones", "speakers", "screens"] {
            assert!(json[kind].is_array(), "{kind}");
        }
    }
}
