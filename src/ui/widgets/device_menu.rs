//! Menus to pick camera, microphone and speaker, with how the device is doing in plain words below.

use std::path::Path;

use call_engine::{CameraSpec, DeviceName, DeviceStatus, MicrophoneSpec, SpeakerSpec};
use egui::{ComboBox, Ui};

use crate::i18n::I18n;
use crate::ui::Scene;
use crate::ui::error_text::{self, DeviceKind};
use crate::ui::theme::tokens::{size, space};
use crate::ui::theme::{Tokens, fonts};
use crate::ui::ui_command::UiCommand;
use crate::ui::widgets::text::text;
use crate::view_state::ViewState;

/// One entry of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<T> {
    /// What it is called.
    pub label: String,
    /// What it stands for.
    pub spec: T,
}

/// The cameras one can choose from. What the command line gave comes first.
#[must_use]
pub fn cameras(devices: &[DeviceName], chosen: &CameraSpec, i18n: &I18n) -> Vec<Choice<CameraSpec>> {
    let mut choices = vec![
        choice(i18n.text("device-best-camera"), CameraSpec::Device(None)),
        choice(i18n.text("device-none-camera"), CameraSpec::None),
    ];
    insert_devices(&mut choices, devices, |name| CameraSpec::Device(Some(name)));
    add_chosen(&mut choices, chosen, || match chosen {
        CameraSpec::Test(_) => i18n.text("device-test-picture"),
        CameraSpec::File(path) => file_label(path, i18n),
        CameraSpec::Device(name) => name.clone().unwrap_or_default(),
        CameraSpec::None => i18n.text("device-none-camera"),
    });
    choices
}

/// The microphones one can choose from.
#[must_use]
pub fn microphones(devices: &[DeviceName], chosen: &MicrophoneSpec, i18n: &I18n) -> Vec<Choice<MicrophoneSpec>> {
    let mut choices = vec![
        choice(i18n.text("device-default"), MicrophoneSpec::Device(None)),
        choice(i18n.text("device-none-microphone"), MicrophoneSpec::None),
    ];
    insert_devices(&mut choices, devices, |name| MicrophoneSpec::Device(Some(name)));
    add_chosen(&mut choices, chosen, || match chosen {
        MicrophoneSpec::Test => i18n.text("device-test-sound"),
        MicrophoneSpec::File(path) => file_label(path, i18n),
        MicrophoneSpec::Device(name) => name.clone().unwrap_or_default(),
        MicrophoneSpec::Silence => i18n.text("device-silence"),
        MicrophoneSpec::None => i18n.text("device-none-microphone"),
    });
    choices
}

/// The speakers one can choose from.
#[must_use]
pub fn speakers(devices: &[DeviceName], chosen: &SpeakerSpec, i18n: &I18n) -> Vec<Choice<SpeakerSpec>> {
    let mut choices = vec![choice(i18n.text("device-default"), SpeakerSpec::Device(None))];
    insert_devices(&mut choices, devices, |name| SpeakerSpec::Device(Some(name)));
    add_chosen(&mut choices, chosen, || match chosen {
        SpeakerSpec::Null => i18n.text("device-mute-speaker"),
        SpeakerSpec::File(path) => file_label(path, i18n),
        SpeakerSpec::Device(name) => name.clone().unwrap_or_default(),
    });
    choices
}

fn choice<T>(label: String, spec: T) -> Choice<T> {
    Choice { label, spec }
}

/// Devices go between "the default" and "none".
fn insert_devices<T>(choices: &mut Vec<Choice<T>>, devices: &[DeviceName], spec: impl Fn(String) -> T) {
    let named = devices
        .iter()
        .map(|device| choice(device.name.clone(), spec(device.name.clone())));
    choices.splice(1..1, named.collect::<Vec<_>>());
}

/// What is chosen is in the menu even if it is not a device, or one that is not there at the moment.
fn add_chosen<T: Clone + PartialEq>(choices: &mut Vec<Choice<T>>, chosen: &T, label: impl FnOnce() -> String) {
    if choices.iter().all(|choice| choice.spec != *chosen) {
        choices.insert(0, choice(label(), chosen.clone()));
    }
}

fn file_label(path: &Path, i18n: &I18n) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    i18n.text_with("device-file", &[("name", &name)])
}

/// The camera's menu.
pub fn camera(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let choices = cameras(&scene.snapshot.devices.cameras, &view.devices.camera, scene.i18n);
    let label = scene.i18n.text("lobby-camera");
    if let Some(spec) = menu(ui, scene.tokens, &label, &choices, &view.devices.camera) {
        commands.push(UiCommand::ChooseCamera(spec));
    }
    status(ui, scene, DeviceKind::Camera, &scene.snapshot.local.camera);
}

/// The microphone's menu.
pub fn microphone(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let choices = microphones(
        &scene.snapshot.devices.microphones,
        &view.devices.microphone,
        scene.i18n,
    );
    let label = scene.i18n.text("lobby-microphone");
    if let Some(spec) = menu(ui, scene.tokens, &label, &choices, &view.devices.microphone) {
        commands.push(UiCommand::ChooseMicrophone(spec));
    }
    status(ui, scene, DeviceKind::Microphone, &scene.snapshot.local.microphone);
}

/// The speaker's menu.
pub fn speaker(ui: &mut Ui, scene: &Scene<'_>, view: &ViewState, commands: &mut Vec<UiCommand>) {
    let choices = speakers(&scene.snapshot.devices.speakers, &view.devices.speaker, scene.i18n);
    let label = scene.i18n.text("lobby-speaker");
    if let Some(spec) = menu(ui, scene.tokens, &label, &choices, &view.devices.speaker) {
        commands.push(UiCommand::ChooseSpeaker(spec));
    }
    status(ui, scene, DeviceKind::Speaker, &scene.snapshot.local.speaker);
}

/// Returns what was picked.
fn menu<T: Clone + PartialEq>(
    ui: &mut Ui,
    tokens: &Tokens,
    label: &str,
    choices: &[Choice<T>],
    chosen: &T,
) -> Option<T> {
    let heading = text(ui, label, fonts::small(), tokens.text_quiet);
    ui.add_space(-space::XS);
    let shown = choices.iter().find(|choice| choice.spec == *chosen);
    let shown = shown.map(|choice| choice.label.clone()).unwrap_or_default();
    let mut picked = None;
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = size::FIELD_HEIGHT;
        let menu = ComboBox::from_id_salt(label)
            .width(ui.available_width())
            .selected_text(shown)
            .truncate()
            .show_ui(ui, |ui| {
                ui.spacing_mut().interact_size.y = size::BUTTON_HEIGHT_SMALL;
                for choice in choices {
                    if ui.selectable_label(choice.spec == *chosen, &choice.label).clicked() {
                        picked = Some(choice.spec.clone());
                    }
                }
            });
        menu.response.labelled_by(heading.id);
    });
    picked.filter(|spec| spec != chosen)
}

fn status(ui: &mut Ui, scene: &Scene<'_>, kind: DeviceKind, status: &DeviceStatus) {
    let tokens = scene.tokens;
    let colour = match status {
        DeviceStatus::Off | DeviceStatus::Starting => tokens.text_quiet,
        DeviceStatus::Running { .. } => tokens.good_text,
        DeviceStatus::Failed(_) => tokens.problem_text,
    };
    ui.add_space(-space::XS);
    text(
        ui,
        error_text::device_status(kind, status, scene.i18n),
        fonts::small(),
        colour,
    );
}

#[cfg(test)]
mod tests {
    use call_engine::VideoMode;

    use super::*;
    use crate::i18n::Language;

    fn device(name: &str) -> DeviceName {
        DeviceName {
            name: name.into(),
            is_default: false,
        }
    }

    #[test]
    fn devices_stand_between_the_default_and_none() {
        let i18n = I18n::new(Language::English);
        let choices = cameras(&[device("A"), device("B")], &CameraSpec::Device(None), &i18n);
        let labels: Vec<_> = choices.iter().map(|choice| choice.label.as_str()).collect();
        assert_eq!(labels, ["The best camera there is", "A", "B", "No camera"]);
        assert_eq!(choices[2].spec, CameraSpec::Device(Some("B".into())));
    }

    #[test]
    fn what_the_command_line_gave_is_an_entry_of_its_own() {
        let i18n = I18n::new(Language::English);
        let choices = cameras(&[], &CameraSpec::Test(VideoMode::HD30), &i18n);
        assert_eq!(choices[0].label, "Test picture");
        let choices = microphones(&[], &MicrophoneSpec::File("/a/voice.wav".into()), &i18n);
        assert_eq!(choices[0].label, "File voice.wav");
        let choices = speakers(&[], &SpeakerSpec::Null, &i18n);
        assert_eq!(choices[0].label, "No sound");
    }

    #[test]
    fn a_chosen_device_that_is_away_stays_in_the_menu() {
        let i18n = I18n::new(Language::English);
        let choices = microphones(&[], &MicrophoneSpec::Device(Some("Headset".into())), &i18n);
        assert_eq!(choices[0].label, "Headset");
    }
}
