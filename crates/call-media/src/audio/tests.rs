//! The whole pipeline with its synthetic ends, its own packets looped back to it.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{AudioConfig, AudioPipeline, AudioReceiver, MicGate, Processing};
use crate::devices::{DeviceProblem, DeviceStatus};
use crate::frame::{EncodedFrame, EncodedSink};
use crate::rtp::{PacketSink, RtpPacket};
use crate::spec::{MicrophoneSpec, SpeakerSpec};

/// Long enough for a machine under any load; a test that waits this long fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network of no length: what is sent arrives.
#[derive(Default)]
struct Loop {
    receiver: Mutex<Option<Arc<AudioReceiver>>>,
    sent: Mutex<Vec<EncodedFrame>>,
}

impl EncodedSink for Loop {
    fn send(&self, frame: &EncodedFrame) {
        let mut sent = self.sent.lock().expect("lock");
        if let Some(receiver) = &*self.receiver.lock().expect("lock") {
            receiver.push(RtpPacket {
                sequence_number: sent.len() as u16,
                timestamp: frame.rtp_timestamp,
                marker: false,
                payload: frame.payloads[0].clone(),
                arrived_at: Instant::now(),
                copy_distance: 0,
            });
        }
        sent.push(frame.clone());
    }
}

struct Bench {
    pipeline: AudioPipeline,
    network: Arc<Loop>,
    changes: Receiver<()>,
}

fn start(microphone: MicrophoneSpec, speaker: SpeakerSpec) -> Bench {
    let network = Arc::new(Loop::default());
    let config = AudioConfig {
        microphone,
        speaker,
        processing: Processing::On,
        epoch: Instant::now(),
    };
    let pipeline = AudioPipeline::start(config, Arc::clone(&network) as _).expect("threads");
    let (wake, changes) = sync_channel(1);
    // One wake-up that waits is as good as many.
    pipeline.set_status_waker(move || wake.try_send(()).unwrap_or_default());
    Bench {
        pipeline,
        network,
        changes,
    }
}

impl Bench {
    fn loop_back(&self) -> Arc<AudioReceiver> {
        let receiver = self.pipeline.add_remote("loop");
        *self.network.receiver.lock().expect("lock") = Some(Arc::clone(&receiver));
        receiver
    }

    fn sent(&self) -> Vec<EncodedFrame> {
        self.network.sent.lock().expect("lock").clone()
    }

    /// Waits for a status, from one change to the next.
    fn status(
        &self,
        of: impl Fn(&AudioPipeline) -> DeviceStatus,
        wanted: impl Fn(&DeviceStatus) -> bool,
    ) -> DeviceStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = of(&self.pipeline);
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{status:?}");
            // The waker may have been set after the change.
            self.changes.recv_timeout(Duration::from_millis(20)).unwrap_or_default();
        }
    }
}

/// Paces a look at the pipeline until it shows what is waited for.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "nothing came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_running(status: &DeviceStatus) -> bool {
    matches!(status, DeviceStatus::Running { .. })
}

#[test]
fn the_click_comes_back_through_codec_and_buffer() {
    let bench = start(MicrophoneSpec::Test, SpeakerSpec::Null);
    let receiver = bench.loop_back();
    let measured = eventually(|| {
        let statistics = receiver.statistics();
        (statistics.mouth_to_ear.count() >= 2).then_some(statistics)
    });
    assert!(measured.played_samples > 48_000);
    assert_eq!((measured.packets_lost, measured.packets_malformed), (0, 0));
    assert!(measured.playout.is_some());
    assert!(receiver.level() > 0.2 && bench.pipeline.input_level() > 0.2);
    let sent = bench.sent();
    // A machine that stood still for a moment leaves out blocks, of which two make a packet.
    for pair in sent.windows(2) {
        assert_eq!(pair[1].rtp_timestamp.wrapping_sub(pair[0].rtp_timestamp) % 480, 0);
    }
    assert!(sent.iter().all(|frame| frame.payloads.len() == 1 && frame.key_frame));
    assert!(
        sent.iter()
            .all(|frame| frame.audio_level.is_some_and(|level| level < 60))
    );
    assert!(bench.pipeline.send_statistics().packets >= 50);
}

#[test]
fn mute_sends_silence_and_little_of_it() {
    let bench = start(MicrophoneSpec::Test, SpeakerSpec::Null);
    eventually(|| (!bench.sent().is_empty()).then_some(()));
    bench.pipeline.set_microphone(MicGate::Muted);
    eventually(|| (bench.pipeline.send_statistics().packets_spared > 40).then_some(()));
    let sent = bench.sent();
    assert!(sent.last().is_some_and(|frame| frame.audio_level == Some(127)));
    // The meter still shows that somebody speaks.
    assert!(bench.pipeline.input_level() > 0.2);
    bench.pipeline.set_microphone(MicGate::Live);
    eventually(|| {
        bench
            .sent()
            .last()
            .is_some_and(|frame| frame.audio_level != Some(127))
            .then_some(())
    });
}

#[test]
fn none_sends_nothing_and_silence_is_sent() {
    let bench = start(MicrophoneSpec::None, SpeakerSpec::Null);
    bench.status(AudioPipeline::microphone_status, |status| *status == DeviceStatus::Off);
    let before = bench.sent().len();
    bench.pipeline.select_microphone(MicrophoneSpec::Silence);
    eventually(|| (bench.sent().len() > before + 20).then_some(()));
    assert_eq!(bench.pipeline.send_statistics().packets_spared, 0);
    bench.pipeline.select_microphone(MicrophoneSpec::None);
    bench.status(AudioPipeline::microphone_status, |status| *status == DeviceStatus::Off);
}

#[test]
fn a_file_is_played_and_recorded() {
    let directory = tempfile::tempdir().expect("directory");
    let [voice, record, tap] = ["voice.wav", "heard.wav", "tap.wav"].map(|name| directory.path().join(name));
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&voice, spec).expect("creates");
    for i in 0..44_100 {
        let sample = (f64::from(i) / 44_100.0 * 700.0 * std::f64::consts::TAU).sin() * 12_000.0;
        writer.write_sample(sample as i16).expect("writes");
        writer.write_sample(sample as i16).expect("writes");
    }
    writer.finalize().expect("finalizes");

    let bench = start(MicrophoneSpec::File(voice), SpeakerSpec::File(record.clone()));
    let receiver = bench.loop_back();
    receiver.record_to(&tap).expect("creates");
    bench.status(AudioPipeline::speaker_status, is_running);
    eventually(|| (receiver.statistics().played_samples > 72_000).then_some(()));
    receiver.stop_recording();
    drop(bench);
    for file in [record, tap] {
        let samples: Vec<i16> = hound::WavReader::open(&file)
            .expect("a WAV file")
            .samples()
            .map(|sample| sample.expect("sample"))
            .collect();
        let loud: Vec<i16> = samples
            .into_iter()
            .skip_while(|sample| sample.abs() < 4_000)
            .take(24_000)
            .collect();
        assert_eq!(loud.len(), 24_000, "{}", file.display());
        let crossings = loud.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!(crossings.abs_diff(350) < 12, "{}: {crossings}", file.display());
    }
}

#[test]
fn what_does_not_work_is_said_and_the_call_goes_on() {
    let bench = start(MicrophoneSpec::File("/nonexistent.wav".into()), SpeakerSpec::Null);
    let receiver = bench.loop_back();
    let failed = |status: &DeviceStatus| matches!(status, DeviceStatus::Failed(_));
    let DeviceStatus::Failed(error) = bench.status(AudioPipeline::microphone_status, failed) else {
        panic!("it failed");
    };
    assert_eq!(error.problem, DeviceProblem::Missing);
    // Silence is sent meanwhile, and announced as such.
    eventually(|| (receiver.statistics().packets_received > 0).then_some(()));
    eventually(|| (bench.pipeline.send_statistics().packets_spared > 0).then_some(()));
    bench.pipeline.select_microphone(MicrophoneSpec::Test);
    bench.status(AudioPipeline::microphone_status, is_running);
    eventually(|| (receiver.level() > 0.2).then_some(()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_the_speaker_and_not_the_call() {
    let bench = start(MicrophoneSpec::Test, SpeakerSpec::File("/dev/full".into()));
    let receiver = bench.loop_back();
    let failed = |status: &DeviceStatus| matches!(status, DeviceStatus::Failed(_));
    let DeviceStatus::Failed(error) = bench.status(AudioPipeline::speaker_status, failed) else {
        panic!("it failed");
    };
    assert!(error.detail.contains("No space left"), "{error}");
    let played = receiver.statistics().played_samples;
    eventually(|| (receiver.statistics().played_samples > played + 4_800).then_some(()));
}

#[test]
fn a_removed_sender_is_silent() {
    let bench = start(MicrophoneSpec::Test, SpeakerSpec::Null);
    let receiver = bench.loop_back();
    eventually(|| (receiver.statistics().played_samples > 4_800).then_some(()));
    bench.pipeline.remove_remote(&receiver);
    let other = bench.loop_back();
    eventually(|| (other.statistics().played_samples > 9_600).then_some(()));
    let played = receiver.statistics().played_samples;
    eventually(|| (other.statistics().played_samples > 19_200).then_some(()));
    assert_eq!(receiver.statistics().played_samples, played);
}

#[test]
fn a_flood_of_packets_is_bounded_and_counted() {
    let receiver = AudioReceiver::new("flood");
    for n in 0..2_000_u16 {
        receiver.push(RtpPacket {
            sequence_number: n,
            timestamp: u32::from(n) * 960,
            marker: false,
            payload: vec![0x78; 40].into(),
            arrived_at: Instant::now(),
            copy_distance: 0,
        });
    }
    assert_eq!(receiver.statistics().packets_late, 2_000 - 256);
}
