//! What the window remembers: a small JSON file in the user's configuration folder.
//!
//! Reading never fails: a file that cannot be understood is kept aside as `settings.json.bad` and the
//! defaults are used. Writing replaces the file in one step, so that a crash leaves the old or the new one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, io};

use call_engine::{CameraSpec, Door, MicrophoneSpec, SpeakerSpec, Switch};
use serde::{Deserialize, Serialize};

use crate::i18n::Language;

/// Longest file that is read; ours have a few hundred bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Light, dark, or like the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    /// Like the system.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Who may enter the calls we host. Locking is for one call only and is not remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DoorChoice {
    /// Whoever has the link.
    #[default]
    Open,
    /// Whoever has the link and is let in.
    Knock,
}

impl From<DoorChoice> for Door {
    fn from(choice: DoorChoice) -> Self {
        match choice {
            DoorChoice::Open => Self::Open,
            DoorChoice::Knock => Self::Knock,
        }
    }
}

/// How long an invite lets new people in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteLifetime {
    /// As long as the call lasts.
    #[default]
    Call,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl InviteLifetime {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Call, Self::Hour, Self::Day];

    /// From now on; none: as long as the call lasts.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Call => None,
            Self::Hour => Some(Duration::from_hours(1)),
            Self::Day => Some(Duration::from_hours(24)),
        }
    }
}

/// What is remembered. Unknown fields are ignored, missing ones have their default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What others see us called.
    pub name: String,
    /// The language, or none for the system's.
    pub language: Option<Language>,
    /// Light, dark, or like the system.
    pub theme: ThemeChoice,
    /// The camera, as `device[:NAME]` or `none`.
    pub camera: Option<String>,
    /// The microphone, as `device[:NAME]` or `none`.
    pub microphone: Option<String>,
    /// The speaker, as `device[:NAME]`.
    pub speaker: Option<String>,
    /// The server where friends can ring us and our calls are hosted; without one, this computer hosts them.
    pub server: Option<String>,
    /// Nobody rings through.
    pub do_not_disturb: Switch,
    /// Others on the network see us.
    pub visible_nearby: Switch,
    /// Our address is hidden from those we call.
    pub hide_address: Switch,
    /// Who may enter the calls we host.
    pub door: DoorChoice,
    /// How long our invites let new people in.
    pub invite_lifetime: InviteLifetime,
    /// Whether the user was told that the identity key is kept in a file for lack of a keyring.
    pub key_file_announced: bool,
    /// Whether the user was told that closing the window does not end the program.
    pub tray_explained: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            language: None,
            theme: ThemeChoice::System,
            camera: None,
            microphone: None,
            speaker: None,
            server: None,
            do_not_disturb: Switch::Off,
            visible_nearby: Switch::Off,
            hide_address: Switch::Off,
            door: DoorChoice::Open,
            invite_lifetime: InviteLifetime::Call,
            key_file_announced: false,
            tray_explained: false,
        }
    }
}

impl Settings {
    /// The camera that was chosen last, or the best there is.
    #[must_use]
    pub fn camera_spec(&self) -> CameraSpec {
        let spec = self.camera.as_deref().and_then(|text| text.parse().ok());
        spec.unwrap_or(CameraSpec::Device(None))
    }

    /// The microphone that was chosen last, or the system's.
    #[must_use]
    pub fn microphone_spec(&self) -> MicrophoneSpec {
        let spec = self.microphone.as_deref().and_then(|text| text.parse().ok());
        spec.unwrap_or(MicrophoneSpec::Device(None))
    }

    /// The speaker that was chosen last, or the system's.
    #[must_use]
    pub fn speaker_spec(&self) -> SpeakerSpec {
        let spec = self.speaker.as_deref().and_then(|text| text.parse().ok());
        spec.unwrap_or(SpeakerSpec::Device(None))
    }

    /// Remembers a camera. Files and test pictures come from the command line and are not remembered.
    pub fn remember_camera(&mut self, spec: &CameraSpec) {
        match spec {
            CameraSpec::Device(name) => self.camera = Some(device_text(name.as_deref())),
            CameraSpec::None => self.camera = Some("none".into()),
            CameraSpec::Test(_) | CameraSpec::File(_) => {}
        }
    }

    /// Remembers a microphone, like [`Self::remember_camera`].
    pub fn remember_microphone(&mut self, spec: &MicrophoneSpec) {
        match spec {
            MicrophoneSpec::Device(name) => self.microphone = Some(device_text(name.as_deref())),
            MicrophoneSpec::None => self.microphone = Some("none".into()),
            MicrophoneSpec::Test | MicrophoneSpec::File(_) | MicrophoneSpec::Silence => {}
        }
    }

    /// Remembers a speaker, like [`Self::remember_camera`].
    pub fn remember_speaker(&mut self, spec: &SpeakerSpec) {
        match spec {
            SpeakerSpec::Device(name) => self.speaker = Some(device_text(name.as_deref())),
            SpeakerSpec::Null | SpeakerSpec::File(_) => {}
        }
    }
}

fn device_text(name: Option<&str>) -> String {
    name.map_or_else(|| "device".into(), |name| format!("device:{name}"))
}

/// Why settings could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the settings could not be written to {path}: {source}")]
pub struct SettingsError {
    /// Where to.
    pub path: PathBuf,
    /// The system's words.
    pub source: io::Error,
}

/// Settings, and the file they live in.
#[derive(Clone, Debug, Default)]
pub struct SettingsFile {
    path: Option<PathBuf>,
    /// What is remembered.
    pub settings: Settings,
}

impl SettingsFile {
    /// The user's own. Where the system has no configuration folder, nothing is remembered.
    #[must_use]
    pub fn open_default() -> Self {
        config_folder().map_or_else(Self::default, |folder| Self::open(&folder.join("settings.json")))
    }

    /// Of this file. It need not exist.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self {
            settings: read(path),
            path: Some(path.to_owned()),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When the folder cannot be made or the file cannot be written.
    pub fn save(&self) -> Result<(), SettingsError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        write(path, &self.settings).map_err(|source| SettingsError {
            path: path.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> Settings {
    let text = match fs::metadata(path) {
        Ok(metadata) if metadata.len() <= MAX_FILE_BYTES => fs::read_to_string(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too long")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Settings::default(),
        Err(error) => Err(error),
    };
    match text.and_then(|text| serde_json::from_str(&text).map_err(io::Error::from)) {
        Ok(settings) => settings,
        Err(error) => {
            let aside = path.with_extension("json.bad");
            tracing::warn!(%error, path = %path.display(), "settings cannot be read and are kept aside");
            if let Err(error) = fs::rename(path, &aside) {
                tracing::warn!(%error, "the damaged settings could not be kept aside");
            }
            Settings::default()
        }
    }
}

fn write(path: &Path, settings: &Settings) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(settings)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("json.new");
    let mut file = fs::File::create(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)
}

/// Where the system wants settings to be.
fn config_folder() -> Option<PathBuf> {
    application_folder("XDG_CONFIG_HOME", ".config")
}

/// Where the system wants what is dearer than settings to be: our identity and the people we know.
#[must_use]
pub fn profile_folder() -> Option<PathBuf> {
    application_folder("XDG_DATA_HOME", ".local/share")
}

/// The folder where exported files are put unless the user says otherwise.
#[must_use]
pub fn home_folder() -> Option<PathBuf> {
    folder_of(if cfg!(target_os = "windows") {
        "USERPROFILE"
    } else {
        "HOME"
    })
}

/// Our folder: on Linux in the folder of `variable`, or in this one below the home folder; elsewhere there is one
/// for everything.
fn application_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    if cfg!(target_os = "windows") {
        folder_of("APPDATA").map(|path| path.join("Visavis"))
    } else if cfg!(target_os = "macos") {
        folder_of("HOME").map(|path| path.join("Library/Application Support/Visavis"))
    } else {
        let base = folder_of(variable).or_else(|| folder_of("HOME").map(|home| home.join(below_home)));
        base.map(|path| path.join("visavis"))
    }
}

fn folder_of(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).map(PathBuf::from);
    value.filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/settings.json");
        let mut file = SettingsFile::open(&path);
        assert_eq!(file.settings, Settings::default());
        file.settings.name = "Аня".into();
        file.settings.language = Some(Language::Russian);
        file.settings.theme = ThemeChoice::Dark;
        file.settings.server = Some("wss://calls.example".into());
        file.settings.visible_nearby = Switch::On;
        file.settings.door = DoorChoice::Knock;
        file.settings.invite_lifetime = InviteLifetime::Day;
        file.settings
            .remember_camera(&CameraSpec::Device(Some("Cam: 2".into())));
        file.save().expect("saved");
        let again = SettingsFile::open(&path);
        assert_eq!(again.settings, file.settings);
        assert_eq!(again.settings.camera_spec(), CameraSpec::Device(Some("Cam: 2".into())));
        assert!(!path.with_extension("json.new").exists());
    }

    #[test]
    fn a_damaged_file_is_kept_aside_and_does_not_stop_anything() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("settings.json");
        for damage in [&b"{\"name\": "[..], b"\xff\xfe", b"[1, 2]"] {
            fs::write(&path, damage).expect("written");
            assert_eq!(SettingsFile::open(&path).settings, Settings::default());
            assert!(!path.exists());
            assert_eq!(fs::read(path.with_extension("json.bad")).expect("kept"), damage);
        }
    }

    #[test]
    fn fields_of_another_version_do_no_harm() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("settings.json");
        fs::write(&path, br#"{"name": "Bo", "wallpaper": 7}"#).expect("written");
        assert_eq!(SettingsFile::open(&path).settings.name, "Bo");
    }

    #[test]
    fn what_the_command_line_gave_is_not_remembered() {
        let mut settings = Settings::default();
        settings.remember_camera(&CameraSpec::None);
        settings.remember_camera(&CameraSpec::File("a.y4m".into()));
        settings.remember_microphone(&MicrophoneSpec::Test);
        settings.remember_speaker(&SpeakerSpec::Null);
        assert_eq!(settings.camera_spec(), CameraSpec::None);
        assert_eq!(settings.microphone, None);
        assert_eq!(settings.speaker, None);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let blocker = folder.path().join("file");
        fs::write(&blocker, b"").expect("written");
        let error = SettingsFile::open(&blocker.join("settings.json"))
            .save()
            .expect_err("a file is no folder");
        assert!(error.to_string().contains("settings.json"), "{error}");
    }
}
