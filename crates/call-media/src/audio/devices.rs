//! Microphones and speakers of this machine, through cpal.
//!
//! Everything here may block for as long as the sound system likes, and is called on "audio-devices" or, for the list, on
//! a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, Host, HostId, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfig, SupportedStreamConfigRange,
};

use super::device_line::{CaptureLine, PlaybackLine};
use super::ring::{self, CaptureEnd, PlaybackEnd, StreamHealth};
use crate::devices::{DeviceError, DeviceName, DeviceProblem};
use crate::frame::SAMPLE_RATE_HZ;

/// How long the sound system may take to open a stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it may take to list its devices.
const LIST_TIMEOUT: Duration = Duration::from_secs(3);
/// Callbacks a second that are asked for. Never the default size: on PulseAudio that is two seconds.
const CALLS_A_SECOND: u32 = 100;

/// What can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudioDevices {
    /// Microphones, without the monitors of speakers.
    pub microphones: Vec<DeviceName>,
    /// Speakers.
    pub speakers: Vec<DeviceName>,
}

/// Lists microphones and speakers; empty where there is no sound system, or none that answers within three seconds.
#[must_use]
pub fn list() -> AudioDevices {
    /// A sound server that hangs may hold one thread of ours, not one for each look.
    static LISTING: AtomicBool = AtomicBool::new(false);
    if LISTING.swap(true, Ordering::AcqRel) {
        return AudioDevices::default();
    }
    let (sender, receiver) = sync_channel(1);
    let listed = std::thread::Builder::new().name("audio-list".into()).spawn(move || {
        let found = catch_unwind(AssertUnwindSafe(list_now)).unwrap_or_default();
        LISTING.store(false, Ordering::Release);
        // Nobody may be waiting any more.
        sender.try_send(found).ok();
    });
    if let Err(error) = listed {
        LISTING.store(false, Ordering::Release);
        tracing::warn!(%error, "no thread to list sound devices");
    }
    receiver.recv_timeout(LIST_TIMEOUT).unwrap_or_default()
}

/// The best sound system of this machine.
fn sound_host() -> Host {
    #[cfg(target_os = "linux")]
    super::pulse_cookie::ensure();
    cpal::default_host()
}

fn list_now() -> AudioDevices {
    let host = sound_host();
    if is_bare(&host) {
        return AudioDevices::default();
    }
    let names = |devices: Vec<Device>, default: Option<Device>| {
        let default = default.and_then(|device| device.id().ok());
        let mut names: Vec<DeviceName> = Vec::new();
        for device in devices.iter().filter(|device| is_worth_offering(device)) {
            let name = name_of(device);
            if names.iter().all(|known| known.name != name) {
                names.push(DeviceName {
                    name,
                    is_default: default.is_some() && device.id().ok() == default,
                });
            }
        }
        names
    };
    AudioDevices {
        microphones: names(
            host.input_devices().map(Iterator::collect).unwrap_or_default(),
            host.default_input_device(),
        ),
        speakers: names(
            host.output_devices().map(Iterator::collect).unwrap_or_default(),
            host.default_output_device(),
        ),
    }
}

/// A stream that runs. Dropping it stops it, and may block as long as the sound system likes.
pub struct OpenStream {
    _stream: Stream,
    _host: Host,
    /// What its callbacks report.
    pub health: Arc<StreamHealth>,
    /// What the device calls itself.
    pub name: String,
}

/// Opens a microphone: by name, or the system's default.
///
/// # Errors
/// Why it cannot be used, in the sound system's words.
pub fn open_microphone(name: Option<&str>) -> Result<(OpenStream, CaptureLine), DeviceError> {
    let host = sound_host();
    let device = match name {
        Some(name) => find(host.input_devices(), name)?,
        None => default_of(&host, Host::default_input_device, "microphone")?,
    };
    let choice = choose(device.default_input_config(), device.supported_input_configs())?;
    let (stream, health, line) = first_that_opens(&host, &choice, |config| {
        let (end, samples, health) = ring::capture(config.sample_rate, config.channels);
        let stream = build_input(&device, config, choice.sample_format(), end, Arc::clone(&health))?;
        Ok((stream, samples, health))
    })
    .and_then(|(stream, samples, health)| {
        let line = CaptureLine::new(samples, choice.sample_rate(), Arc::clone(&health)).map_err(unusable)?;
        Ok((stream, health, line))
    })?;
    stream.play().map_err(into_device_error)?;
    Ok((opened(stream, host, health, &device), line))
}

/// Opens a speaker: by name, or the system's default.
///
/// # Errors
/// Why it cannot be used, in the sound system's words.
pub fn open_speaker(name: Option<&str>) -> Result<(OpenStream, PlaybackLine), DeviceError> {
    let host = sound_host();
    let device = match name {
        Some(name) => find(host.output_devices(), name)?,
        None => default_of(&host, Host::default_output_device, "speaker")?,
    };
    let choice = choose(device.default_output_config(), device.supported_output_configs())?;
    let (stream, health, line) = first_that_opens(&host, &choice, |config| {
        let (end, samples, health) = ring::playback(config.sample_rate, config.channels);
        let stream = build_output(&device, config, choice.sample_format(), end, Arc::clone(&health))?;
        Ok((stream, samples, health))
    })
    .and_then(|(stream, samples, health)| {
        let line = PlaybackLine::new(samples, choice.sample_rate(), Arc::clone(&health)).map_err(unusable)?;
        Ok((stream, health, line))
    })?;
    stream.play().map_err(into_device_error)?;
    Ok((opened(stream, host, health, &device), line))
}

fn opened(stream: Stream, host: Host, health: Arc<StreamHealth>, device: &Device) -> OpenStream {
    OpenStream {
        _stream: stream,
        _host: host,
        health,
        name: name_of(device),
    }
}

fn name_of(device: &Device) -> String {
    match device.description() {
        Ok(description) => description.name().to_owned(),
        Err(_) => device.id().map(|id| id.id().to_owned()).unwrap_or_default(),
    }
}

/// PulseAudio and PipeWire offer what a speaker plays as a source of its own, and ALSA its converters and each card in a
/// dozen guises. All of them can be had by name, none of them belongs in a menu.
fn is_worth_offering(device: &Device) -> bool {
    let Ok(id) = device.id() else { return false };
    if is_alsa(id.host()) {
        return matches!(id.id(), "default" | "pulse" | "pipewire") || id.id().starts_with("plughw:");
    }
    !id.id().ends_with(".monitor")
}

#[cfg(target_os = "linux")]
fn is_alsa(host: HostId) -> bool {
    host == HostId::Alsa
}

#[cfg(not(target_os = "linux"))]
fn is_alsa(_host: HostId) -> bool {
    false
}

/// Whether there is neither a sound server nor a sound card. ALSA would say so in a dozen lines on stderr at each attempt.
fn is_bare(host: &Host) -> bool {
    let cards = || std::fs::read_to_string("/proc/asound/cards");
    is_alsa(host.id()) && cards().map_or(true, |cards| cards.contains("no soundcards"))
}

/// The system's default, where there is a system.
fn default_of(host: &Host, default: impl FnOnce(&Host) -> Option<Device>, what: &str) -> Result<Device, DeviceError> {
    let device = if is_bare(host) { None } else { default(host) };
    device.ok_or_else(|| DeviceError {
        problem: DeviceProblem::Missing,
        detail: format!("this machine has no {what}"),
    })
}

/// By the system's id, by the full name, or by part of the name.
fn find(devices: Result<impl Iterator<Item = Device>, cpal::Error>, wanted: &str) -> Result<Device, DeviceError> {
    let devices: Vec<Device> = devices.map_err(into_device_error)?.collect();
    let lower = wanted.to_lowercase();
    let matches: [&dyn Fn(&Device) -> bool; 3] = [
        &|device| device.id().is_ok_and(|id| id.id() == wanted),
        &|device| name_of(device) == wanted,
        &|device| name_of(device).to_lowercase().contains(&lower),
    ];
    matches
        .iter()
        .find_map(|matches| devices.iter().find(|device| matches(device)).cloned())
        .ok_or_else(|| DeviceError {
            problem: DeviceProblem::Missing,
            detail: format!("there is no sound device called '{wanted}'"),
        })
}

fn unusable(detail: String) -> DeviceError {
    DeviceError {
        problem: DeviceProblem::Unusable,
        detail,
    }
}

fn into_device_error(error: cpal::Error) -> DeviceError {
    let problem = match error.kind() {
        ErrorKind::DeviceBusy => DeviceProblem::Busy,
        ErrorKind::PermissionDenied => DeviceProblem::Forbidden,
        ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable => DeviceProblem::Missing,
        ErrorKind::StreamInvalidated => DeviceProblem::Unplugged,
        // The list is cpal's and may grow.
        _ => DeviceProblem::Unusable,
    };
    DeviceError {
        problem,
        detail: error.to_string(),
    }
}

/// The device's own format and number of channels, at 48 kHz where it can.
fn choose(
    default: Result<SupportedStreamConfig, cpal::Error>,
    ranges: Result<impl Iterator<Item = SupportedStreamConfigRange>, cpal::Error>,
) -> Result<SupportedStreamConfig, DeviceError> {
    let default = default.map_err(into_device_error)?;
    let ranges: Vec<_> = ranges.map(Iterator::collect).unwrap_or_default();
    let at_48k = |range: &SupportedStreamConfigRange| range.try_with_sample_rate(SAMPLE_RATE_HZ);
    let alike = |range: &&SupportedStreamConfigRange| {
        range.channels() == default.channels() && range.sample_format() == default.sample_format()
    };
    if is_usable(default.sample_format()) {
        return Ok(ranges.iter().filter(alike).find_map(at_48k).unwrap_or(default));
    }
    let usable = ranges.iter().filter(|range| is_usable(range.sample_format()));
    usable
        .clone()
        .find_map(at_48k)
        .or_else(|| usable.clone().next().map(|range| range.with_max_sample_rate()))
        .ok_or_else(|| unusable(format!("the device offers samples only as {}", default.sample_format())))
}

/// Whether [`build_input`] and [`build_output`] know the format.
fn is_usable(format: SampleFormat) -> bool {
    !format.is_dsd()
}

/// Opens with callbacks of 10 ms, or, where the device does not let us choose, with its own.
fn first_that_opens<T>(
    host: &Host,
    choice: &SupportedStreamConfig,
    mut open: impl FnMut(StreamConfig) -> Result<T, cpal::Error>,
) -> Result<T, DeviceError> {
    let frames = choice.sample_rate() / CALLS_A_SECOND;
    let frames = match choice.buffer_size() {
        SupportedBufferSize::Range { min, max } => frames.max(*min).min(*max),
        SupportedBufferSize::Unknown => frames,
    };
    let with = |buffer_size| StreamConfig {
        buffer_size,
        ..choice.config()
    };
    let result = match open(with(BufferSize::Fixed(frames))) {
        Err(error) if error.kind() == ErrorKind::UnsupportedConfig && has_sane_default(host.id()) => {
            open(with(BufferSize::Default))
        }
        result => result,
    };
    result.map_err(into_device_error)
}

#[cfg(target_os = "linux")]
fn has_sane_default(host: HostId) -> bool {
    host != HostId::PulseAudio
}

#[cfg(not(target_os = "linux"))]
fn has_sane_default(_host: HostId) -> bool {
    true
}

/// Calls a generic function with the Rust type of a sample format.
macro_rules! with_sample_type {
    ($format:expr, $function:ident, $($argument:expr),*) => {
        match $format {
            SampleFormat::I8 => $function::<i8>($($argument),*),
            SampleFormat::I16 => $function::<i16>($($argument),*),
            SampleFormat::I24 => $function::<cpal::I24>($($argument),*),
            SampleFormat::I32 => $function::<i32>($($argument),*),
            SampleFormat::I64 => $function::<i64>($($argument),*),
            SampleFormat::U8 => $function::<u8>($($argument),*),
            SampleFormat::U16 => $function::<u16>($($argument),*),
            SampleFormat::U24 => $function::<cpal::U24>($($argument),*),
            SampleFormat::U32 => $function::<u32>($($argument),*),
            SampleFormat::U64 => $function::<u64>($($argument),*),
            SampleFormat::F32 => $function::<f32>($($argument),*),
            SampleFormat::F64 => $function::<f64>($($argument),*),
            // DSD, and what cpal may add: `is_usable` has sorted the former out.
            _ => Err(cpal::Error::new(ErrorKind::UnsupportedConfig)),
        }
    };
}

fn build_input(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    end: CaptureEnd,
    health: Arc<StreamHealth>,
) -> Result<Stream, cpal::Error> {
    with_sample_type!(format, build_input_of, device, config, end, health)
}

fn build_input_of<T: SizedSample + Send + 'static>(
    device: &Device,
    config: StreamConfig,
    mut end: CaptureEnd,
    health: Arc<StreamHealth>,
) -> Result<Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    device.build_input_stream::<T, _, _>(
        config,
        move |data, _| end.take(data, Instant::now()),
        move |error| note(&health, &error),
        Some(OPEN_TIMEOUT),
    )
}

fn build_output(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    end: PlaybackEnd,
    health: Arc<StreamHealth>,
) -> Result<Stream, cpal::Error> {
    with_sample_type!(format, build_output_of, device, config, end, health)
}

fn build_output_of<T: SizedSample + FromSample<f32> + Send + 'static>(
    device: &Device,
    config: StreamConfig,
    mut end: PlaybackEnd,
    health: Arc<StreamHealth>,
) -> Result<Stream, cpal::Error> {
    device.build_output_stream::<T, _, _>(
        config,
        move |data, _| end.fill(data, Instant::now()),
        move |error| note(&health, &error),
        Some(OPEN_TIMEOUT),
    )
}

/// The error callback. It may come 200,000 times a second (ALSA over a dead sound server): a counter, nothing else.
fn note(health: &StreamHealth, error: &cpal::Error) {
    match error.kind() {
        ErrorKind::Xrun => health.note_glitch(),
        // The stream goes on.
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => health.note_error(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(channels: u16, min: u32, max: u32, format: SampleFormat) -> SupportedStreamConfigRange {
        SupportedStreamConfigRange::new(channels, min, max, SupportedBufferSize::Unknown, format)
    }

    fn config(channels: u16, rate: u32, format: SampleFormat) -> SupportedStreamConfig {
        SupportedStreamConfig::new(channels, rate, SupportedBufferSize::Unknown, format)
    }

    #[test]
    fn the_rate_of_the_call_is_taken_where_the_device_has_it() {
        let ranges = vec![
            range(1, 8_000, 96_000, SampleFormat::I16),
            range(2, 44_100, 48_000, SampleFormat::F32),
        ];
        let choice = choose(Ok(config(2, 44_100, SampleFormat::F32)), Ok(ranges.into_iter())).expect("usable");
        assert_eq!(
            (choice.channels(), choice.sample_rate(), choice.sample_format()),
            (2, 48_000, SampleFormat::F32)
        );
        let ranges = vec![range(2, 44_100, 44_100, SampleFormat::I16)];
        let choice = choose(Ok(config(2, 44_100, SampleFormat::I16)), Ok(ranges.into_iter())).expect("usable");
        assert_eq!(choice.sample_rate(), 44_100);
    }

    #[test]
    fn a_format_nobody_can_use_is_avoided_or_refused() {
        let dsd = config(2, 2_822_400, SampleFormat::DsdU8);
        let ranges = vec![range(2, 44_100, 48_000, SampleFormat::I32)];
        let choice = choose(Ok(dsd), Ok(ranges.into_iter())).expect("usable");
        assert_eq!(choice.sample_format(), SampleFormat::I32);
        let refused = choose(Ok(dsd), Ok(std::iter::empty())).expect_err("unusable");
        assert_eq!(refused.problem, DeviceProblem::Unusable);
    }

    #[test]
    fn listing_never_panics() {
        let devices = list();
        assert!(devices.microphones.iter().filter(|device| device.is_default).count() <= 1);
    }
}
