//! Runs the sound pipeline with its own packets looped back to it, and prints what it measured as one line of JSON.
//!
//!     cargo run --release -p call-media --example sound_probe -- MICROPHONE SPEAKER SECONDS|eof
//!     cargo run --release -p call-media --example sound_probe -- devices
//!
//! MICROPHONE and SPEAKER are written as on the command line of the application: `device`, `test`, `file:x.wav` …
//! With `eof` it runs until its standard input is closed. Each change of a device's status is printed to stderr with the time since the start.

#![allow(clippy::print_stdout)]

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use call_media::audio::{AudioConfig, AudioPipeline, AudioReceiver, Processing, devices};
use call_media::devices::DeviceStatus;
use call_media::frame::{EncodedFrame, EncodedSink};
use call_media::percentiles::Percentiles;
use call_media::rtp::{PacketSink, RtpPacket};

/// A network of no length.
#[derive(Default)]
struct Loop {
    receiver: OnceLock<Arc<AudioReceiver>>,
    sequence: AtomicU16,
}

impl EncodedSink for Loop {
    fn send(&self, frame: &EncodedFrame) {
        let Some(receiver) = self.receiver.get() else { return };
        for payload in frame.payloads.iter() {
            receiver.push(RtpPacket {
                sequence_number: self.sequence.fetch_add(1, Ordering::Relaxed),
                timestamp: frame.rtp_timestamp,
                marker: false,
                payload: payload.clone(),
                arrived_at: Instant::now(),
                copy_distance: 0,
            });
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["devices"] => {
            println!("{:#?}", devices::list());
            Ok(())
        }
        [microphone, speaker, "eof"] => probe(microphone, speaker, None),
        [microphone, speaker, seconds] => probe(microphone, speaker, Some(Duration::from_secs_f64(seconds.parse()?))),
        _ => Err("usage: sound_probe MICROPHONE SPEAKER SECONDS|eof | sound_probe devices".into()),
    }
}

fn probe(microphone: &str, speaker: &str, length: Option<Duration>) -> Result<(), Box<dyn std::error::Error>> {
    let network = Arc::new(Loop::default());
    let start = Instant::now();
    let config = AudioConfig {
        microphone: microphone.parse()?,
        speaker: speaker.parse()?,
        processing: Processing::On,
        epoch: start,
    };
    let pipeline = AudioPipeline::start(config, Arc::clone(&network) as _)?;
    let closed = Arc::new(AtomicBool::new(false));
    if length.is_none() {
        let closed = Arc::clone(&closed);
        std::thread::Builder::new().name("stdin".into()).spawn(move || {
            if let Err(error) = std::io::copy(&mut std::io::stdin(), &mut std::io::sink()) {
                eprintln!("stdin: {error}");
            }
            closed.store(true, Ordering::Relaxed);
        })?;
    }
    let (wake, changes) = sync_channel(1);
    pipeline.set_status_waker(move || wake.try_send(()).unwrap_or_default());
    let receiver = pipeline.add_remote("loop");
    network.receiver.get_or_init(|| Arc::clone(&receiver));
    let mut told = [String::new(), String::new()];
    while length.is_none_or(|length| start.elapsed() < length) && !closed.load(Ordering::Relaxed) {
        let now = [pipeline.microphone_status(), pipeline.speaker_status()].map(|status| in_words(&status));
        if now != told {
            eprintln!(
                "{:.3} microphone {}; speaker {}",
                start.elapsed().as_secs_f64(),
                now[0],
                now[1]
            );
            told = now;
        }
        // A time-out is the usual end of this wait.
        changes.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
    }
    let received = receiver.statistics();
    let sent = pipeline.send_statistics();
    let cores = cpu_seconds("audio").map(|seconds| seconds / start.elapsed().as_secs_f64());
    let stop = Instant::now();
    drop(pipeline);
    println!(
        concat!(
            r#"{{"packets":{},"bytes":{},"spared":{},"blocks_left_out":{},"capture_shortfalls":{},"capture_dropped":{},"#,
            r#""playback_shortfall":{},"playback_dropped_blocks":{},"played":{},"concealed":{},"accelerated":{},"#,
            r#""expanded":{},"late":{},"buffer_ms":{},"mouth_to_ear_ms":{},"stop_ms":{:.1},"audio_thread_cores":{}}}"#
        ),
        sent.packets,
        sent.bytes,
        sent.packets_spared,
        sent.blocks_left_out,
        sent.capture_shortfalls,
        sent.capture_dropped_samples,
        sent.playback_shortfall_samples,
        sent.playback_dropped_blocks,
        received.played_samples,
        received.concealed_samples,
        received.accelerated_samples,
        received.expanded_samples,
        received.packets_late,
        percentiles(&received.buffer),
        percentiles(&received.mouth_to_ear),
        stop.elapsed().as_secs_f64() * 1e3,
        cores.map_or("null".into(), |cores| format!("{cores:.4}")),
    );
    Ok(())
}

/// Processor time of all threads of this name (Linux).
fn cpu_seconds(name: &str) -> Option<f64> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let of = |task: std::io::Result<std::fs::DirEntry>| {
        let task = task.ok()?.path();
        let is_it = std::fs::read_to_string(task.join("comm")).ok()?.trim() == name;
        let nanoseconds = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let nanoseconds: f64 = nanoseconds.split(' ').next()?.parse().ok()?;
        is_it.then_some(nanoseconds * 1e-9)
    };
    Some(tasks.filter_map(of).sum())
}

fn in_words(status: &DeviceStatus) -> String {
    match status {
        DeviceStatus::Off => "off".into(),
        DeviceStatus::Starting => "starting".into(),
        DeviceStatus::Running { name, .. } => format!("running {name}"),
        DeviceStatus::Failed(error) => format!("failed {:?}: {error}", error.problem),
    }
}

fn percentiles(durations: &Percentiles) -> String {
    let number = |value: Option<f64>| value.map_or("null".into(), |value| format!("{value:.1}"));
    let (half, most) = (durations.quantile_ms(0.5), durations.quantile_ms(0.95));
    format!(
        r#"{{"count":{},"p50":{},"p95":{},"max":{}}}"#,
        durations.count(),
        number(half),
        number(most),
        number(durations.max_ms())
    )
}
