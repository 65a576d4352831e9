//! The command line: words in, a [`Task`] out.
//!
//! It is a contract (measuring tools start the application with it), so every option keeps its name and
//! meaning. Values are checked here, once: what gets past this file is well formed. A bad value is answered
//! with a sentence and exit code 2.

// Doc comments of options are the help text, where brackets mean "may be left out".
#![allow(rustdoc::broken_intra_doc_links)]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use call_engine::{
    CameraSpec, Door, EngineConfig, ExtraRoots, IceServer, IceServerKind, IceUrl, KeyStoreChoice, MicrophoneSpec,
    ScreenSpec, SpeakerSpec, Switch, VideoMode,
};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::settings::{Settings, profile_folder};

/// Longest name that is shown to others, in characters.
const MAX_NAME_CHARS: usize = 64;
/// Below this no picture worth the name gets through.
const MIN_BITRATE_BPS: u32 = 50_000;
/// Far above anything the encoder makes.
const MAX_BITRATE_BPS: u32 = 100_000_000;
/// A day: longer runs are a service, not a measurement.
const MAX_SECONDS: f64 = 86_400.0;
/// Name of a headless participant that was given none.
const HEADLESS_NAME: &str = "Visavis";
/// Name of a person who was given none.
const WINDOW_NAME: &str = "Guest";

const EXAMPLES: &str = "\
Examples:
  visavis                                             open the window
  visavis --camera test 'https://host/j#1.…'          open the window at that call, without a real camera
  visavis headless --host --seconds 60                wait for a friend; prints LINK <invite link>
  visavis headless --join 'https://host/j#1.…' --seconds 30 --report call.json
  visavis devices                                     what can follow `device:`

Set VISAVIS_LOG=info (or debug) to see more on stderr.";

/// What the application was asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Open the window.
    Window(WindowTask),
    /// Take part in a call without a window.
    Headless(HeadlessTask),
    /// List the devices.
    Devices(DeviceListFormat),
}

/// The window, and where it opens.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowTask {
    /// Straight to the lobby of this call.
    pub link: Option<String>,
    /// How we take part.
    pub call: CallOptions,
    /// How long, and what is written about it.
    pub run: RunOptions,
}

/// A call without a window.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadlessTask {
    /// Who calls whom.
    pub role: Role,
    /// How we take part.
    pub call: CallOptions,
    /// How long, and what is written about it.
    pub run: RunOptions,
}

/// Who calls whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Start a call and print its link.
    Host,
    /// Join the call of this link, or of three spoken words.
    Join(String),
    /// Ring a contact of the profile.
    Ring(String),
    /// Wait to be rung.
    AwaitRing(Answer),
}

/// What a headless run says to somebody who rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Answer {
    /// Takes the call with its camera.
    #[default]
    Video,
    /// Takes the call without.
    Sound,
    /// Says no.
    Decline,
    /// Lets it ring: the script decides.
    Nothing,
}

/// How the device list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceListFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A switch on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// Do it.
    On,
    /// Do not.
    Off,
}

/// Video codecs that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264, constrained baseline.
    H264,
}

/// How we take part in a call. What was not given is `None`, so that the settings of the window can stand in.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Call")]
pub struct CallOptions {
    /// Signaling server; without it a call that starts here brings its own
    #[arg(long, value_name = "URL", value_parser = parse_server)]
    pub server: Option<String>,
    /// Where the built-in server listens [default: 127.0.0.1:0 headless, the LAN in the window]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,
    /// What others see you called
    #[arg(long, value_parser = parse_name)]
    pub name: Option<String>,
    /// test[:WxH@FPS] | file:PATH.y4m | device[:NAME] | none [default: test:1280x720@30 headless, device in the window]
    #[arg(long, value_name = "SPEC")]
    pub camera: Option<CameraSpec>,
    /// test | file:PATH.wav | device[:NAME] | silence | none [default: test headless, device in the window]
    #[arg(long, value_name = "SPEC")]
    pub microphone: Option<MicrophoneSpec>,
    /// null | file:PATH.wav | device[:NAME] [default: null headless, device in the window]
    #[arg(long, value_name = "SPEC")]
    pub speaker: Option<SpeakerSpec>,
    /// test[:WxH@FPS] | monitor[:N] | window:TITLE | none [default: none]
    #[arg(long, value_name = "SPEC")]
    pub screen: Option<ScreenSpec>,
    /// Draw the measuring stamp into every captured picture
    #[arg(long)]
    pub stamp: bool,
    /// Echo canceller, noise suppression and gain control [default: on]
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    pub audio_processing: Option<OnOff>,
    /// h264
    #[arg(long, value_name = "CODEC", value_parser = parse_codec)]
    pub video_codec: Option<VideoCodec>,
    /// Send at most this many bits a second to one participant
    #[arg(long, value_name = "BPS", value_parser = parse_bitrate)]
    pub max_bitrate: Option<u32>,
    /// Connect through a TURN relay only: others do not see your address
    #[arg(long)]
    pub relay_only: bool,
    /// STUN or TURN server: stun:HOST[:PORT], turn:HOST[:PORT][?transport=tcp] or turns:HOST[:PORT] (TLS); may be given several times
    #[arg(long, value_name = "URL[,user,password]", value_parser = parse_ice_server)]
    pub ice_server: Vec<IceServer>,
    /// Also trust the authorities in this PEM file for TURN servers over TLS
    #[arg(long, value_name = "FILE", value_parser = parse_ice_ca)]
    pub ice_ca: Option<ExtraRoots>,
    /// Folder of the identity, contacts and missed calls [default: none headless, the user's data folder in the window]
    #[arg(long, value_name = "DIR")]
    pub profile: Option<PathBuf>,
    /// Where a new identity key goes [default: keyring]
    #[arg(long, value_name = "keyring|file", hide_possible_values = true)]
    pub key_store: Option<KeyStore>,
    /// Who may enter a call that starts here: everybody with the link, or whom the host lets in [default: open]
    #[arg(long, value_name = "open|knock", hide_possible_values = true)]
    pub door: Option<DoorChoice>,
    /// A call that starts here lets nobody new in after N seconds
    #[arg(long, value_name = "N", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub invite_lifetime: Option<Duration>,
    /// Nobody rings through
    #[arg(long)]
    pub do_not_disturb: bool,
    /// Others on the network see us and can ring without a server
    #[arg(long)]
    pub visible_nearby: bool,
}

/// Where a new identity key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyStore {
    /// The system's keyring, else a file.
    Keyring,
    /// A file that only this user can read.
    File,
}

/// Who may enter a call that starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DoorChoice {
    /// Whoever has the link.
    Open,
    /// Whom the host lets in.
    Knock,
}

/// How long a run lasts, and what is written about it. Meant for headless runs; the window takes them too, so
/// that it can be measured the same way: with `--seconds` it goes through the lobby by itself.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Run")]
pub struct RunOptions {
    /// Leave after N seconds; exit code 0 when the call was up throughout, 1 when it never came up
    #[arg(long, value_name = "N", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub seconds: Option<Duration>,
    /// With --seconds: start counting when N remote participants are connected
    #[arg(long, value_name = "N", requires = "seconds", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub until_peers: Option<u32>,
    /// Write the figures of the call into this file at the end
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
    /// With --report: write it each second as well
    #[arg(long, requires = "report")]
    pub report_every: bool,
    /// Record what is received into this directory
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// File of lines, or `-` for lines that come on stdin while it runs: `<seconds> <command>` with mute, unmute, camera off|on|SPEC, screen on SPEC|off, chat TEXT, send-file PATH,
    /// ice-restart, leave, admit NAME, refuse NAME, symbols-match NAME, door open|knock|locked, new-link, code,
    /// ring NAME, ring-nearby NAME, cancel-ring, accept [sound], decline
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
}

#[derive(Parser, Debug)]
#[command(
    name = "visavis",
    version,
    about = "Video calls between friends, peer to peer.",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
struct CommandLine {
    #[command(subcommand)]
    subcommand: Option<SubcommandLine>,
    /// Invite link: opens the lobby of that call
    link: Option<String>,
    #[command(flatten)]
    call: CallOptions,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Subcommand, Debug)]
enum SubcommandLine {
    /// Take part in a call without a window: a test, a measurement, a bot or a recorder
    #[command(after_help = EXAMPLES, group = ArgGroup::new("role").required(true).args(["host", "join", "ring", "await_ring"]))]
    Headless {
        /// Start a call; prints `LINK <invite link>` on stdout as soon as others can join
        #[arg(long)]
        host: bool,
        /// Join the call of this link
        #[arg(long, value_name = "LINK")]
        join: Option<String>,
        /// Ring this contact of the profile
        #[arg(long, value_name = "NAME", requires = "profile")]
        ring: Option<String>,
        /// Wait until a contact rings; prints `LISTENING` when they can, and `RING <name>` when one does
        #[arg(long, requires = "profile")]
        await_ring: bool,
        /// With --await-ring: what to say to it
        #[arg(
            long,
            value_name = "video|sound|decline|nothing",
            default_value = "video",
            hide_possible_values = true
        )]
        answer: Answer,
        #[command(flatten)]
        call: Box<CallOptions>,
        #[command(flatten)]
        run: Box<RunOptions>,
    },
    /// List cameras, microphones, speakers and screens
    Devices {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Task {
    /// Reads the process's own command line. Prints help or a sentence and exits where there is nothing to do.
    #[must_use]
    pub fn from_command_line() -> Self {
        CommandLine::parse().into()
    }

    /// Reads the words of a command line, the first being the program's name.
    ///
    /// # Errors
    /// Everything clap reports, help and version included; `exit_code()` of it is 2 for a bad value.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        CommandLine::try_parse_from(words).map(Into::into)
    }
}

impl From<CommandLine> for Task {
    fn from(line: CommandLine) -> Self {
        match line.subcommand {
            None => Self::Window(WindowTask {
                link: line.link,
                call: line.call,
                run: line.run,
            }),
            Some(SubcommandLine::Headless {
                host: _,
                join,
                ring,
                await_ring,
                answer,
                call,
                run,
            }) => Self::Headless(HeadlessTask {
                // clap has seen to it that exactly one of them was given.
                role: match (join, ring, await_ring) {
                    (Some(link), ..) => Role::Join(link),
                    (None, Some(name), _) => Role::Ring(name),
                    (None, None, true) => Role::AwaitRing(answer),
                    (None, None, false) => Role::Host,
                },
                call: *call,
                run: *run,
            }),
            Some(SubcommandLine::Devices { json: true }) => Self::Devices(DeviceListFormat::Json),
            Some(SubcommandLine::Devices { json: false }) => Self::Devices(DeviceListFormat::Text),
        }
    }
}

/// The engine of a headless run that was given no options: nothing of the machine's own devices or network.
#[must_use]
pub fn headless_defaults() -> EngineConfig {
    EngineConfig {
        name: HEADLESS_NAME.into(),
        server: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        camera: CameraSpec::Test(VideoMode::HD30),
        microphone: MicrophoneSpec::Test,
        speaker: SpeakerSpec::Null,
        screen: ScreenSpec::None,
        stamp: false,
        audio_processing: true,
        max_bitrate_bps: None,
        relay_only: false,
        ice_servers: Vec::new(),
        extra_roots: ExtraRoots::default(),
        record: None,
        profile: None,
        key_store: KeyStoreChoice::Keyring,
        door: Door::Open,
        invite_lifetime: None,
        do_not_disturb: Switch::Off,
        visible_nearby: Switch::Off,
    }
}

/// The engine of a window that was given no options: reachable from the LAN, with real devices unless the
/// settings say otherwise.
#[must_use]
pub fn window_defaults(settings: &Settings) -> EngineConfig {
    let name = settings.name.trim();
    EngineConfig {
        name: if name.is_empty() { login_name() } else { name.into() },
        listen: SocketAddr::from(([0, 0, 0, 0], 0)),
        camera: settings.camera_spec(),
        microphone: settings.microphone_spec(),
        speaker: settings.speaker_spec(),
        server: settings.server.clone().filter(|address| parse_server(address).is_ok()),
        relay_only: settings.hide_address == Switch::On,
        profile: profile_folder(),
        door: settings.door.into(),
        invite_lifetime: settings.invite_lifetime.duration(),
        do_not_disturb: settings.do_not_disturb,
        visible_nearby: settings.visible_nearby,
        ..headless_defaults()
    }
}

/// What the system calls the person, for want of anything better.
fn login_name() -> String {
    let names = ["USER", "USERNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok());
    names
        .into_iter()
        .find_map(|name| parse_name(&name).ok())
        .unwrap_or_else(|| WINDOW_NAME.into())
}

impl CallOptions {
    /// `defaults` with everything that was given on the command line put over it.
    #[must_use]
    pub fn over(&self, defaults: EngineConfig, record: Option<PathBuf>) -> EngineConfig {
        let given = self.clone();
        EngineConfig {
            name: given.name.unwrap_or(defaults.name),
            server: given.server.or(defaults.server),
            listen: given.listen.unwrap_or(defaults.listen),
            camera: given.camera.unwrap_or(defaults.camera),
            microphone: given.microphone.unwrap_or(defaults.microphone),
            speaker: given.speaker.unwrap_or(defaults.speaker),
            screen: given.screen.unwrap_or(defaults.screen),
            stamp: given.stamp || defaults.stamp,
            audio_processing: given
                .audio_processing
                .map_or(defaults.audio_processing, |switch| switch == OnOff::On),
            max_bitrate_bps: given.max_bitrate.or(defaults.max_bitrate_bps),
            relay_only: given.relay_only || defaults.relay_only,
            ice_servers: if given.ice_server.is_empty() {
                defaults.ice_servers
            } else {
                given.ice_server
            },
            extra_roots: given.ice_ca.unwrap_or(defaults.extra_roots),
            record: record.or(defaults.record),
            profile: given.profile.or(defaults.profile),
            key_store: given.key_store.map_or(defaults.key_store, |store| match store {
                KeyStore::Keyring => KeyStoreChoice::Keyring,
                KeyStore::File => KeyStoreChoice::File,
            }),
            door: given.door.map_or(defaults.door, |door| match door {
                DoorChoice::Open => Door::Open,
                DoorChoice::Knock => Door::Knock,
            }),
            invite_lifetime: given.invite_lifetime.or(defaults.invite_lifetime),
            do_not_disturb: on_if(given.do_not_disturb, defaults.do_not_disturb),
            visible_nearby: on_if(given.visible_nearby, defaults.visible_nearby),
        }
    }
}

fn on_if(is_given: bool, default: Switch) -> Switch {
    if is_given { Switch::On } else { default }
}

/// Whether this is the address of a server, and if not, what to write instead.
///
/// # Errors
/// With that sentence.
pub fn parse_server(text: &str) -> Result<String, String> {
    let rest = ["ws://", "wss://", "http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(text.into()),
        _ => Err("write the server's address like wss://example.org or ws://192.168.1.5:8080".into()),
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, like 0.0.0.0:8080; port 0 picks a free one".into())
}

fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    let fits = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        Ok(name.into())
    } else {
        Err(format!("a name has 1 to {MAX_NAME_CHARS} characters, on one line"))
    }
}

fn parse_codec(text: &str) -> Result<VideoCodec, String> {
    match text {
        "h264" => Ok(VideoCodec::H264),
        other => Err(format!("'{other}' is not a video codec of this version: use h264")),
    }
}

fn parse_bitrate(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|bps| (MIN_BITRATE_BPS..=MAX_BITRATE_BPS).contains(bps))
        .ok_or_else(|| format!("write bits a second, {MIN_BITRATE_BPS} to {MAX_BITRATE_BPS}, like 2600000"))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| *seconds > 0.0 && *seconds <= MAX_SECONDS)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("write a number of seconds above 0 and up to {MAX_SECONDS}"))
}

fn parse_ice_server(text: &str) -> Result<IceServer, String> {
    let mut parts = text.splitn(3, ',');
    let url = parts.next().unwrap_or_default().to_owned();
    let (username, credential) = (parts.next().map(str::to_owned), parts.next().map(str::to_owned));
    let kind = IceUrl::parse(&url).map_err(|error| error.to_string())?.kind;
    match (kind, &username, &credential) {
        (IceServerKind::Stun, None, None) | (IceServerKind::Turn, Some(_), Some(_)) => Ok(IceServer {
            url,
            username,
            credential,
        }),
        (IceServerKind::Stun, ..) => Err("a STUN server takes no user and password".into()),
        (IceServerKind::Turn, ..) => Err("a TURN server needs a user and a password: URL,USER,PASSWORD".into()),
    }
}

fn parse_ice_ca(path: &str) -> Result<ExtraRoots, String> {
    let pem = fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
    ExtraRoots::from_pem(&pem)
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
