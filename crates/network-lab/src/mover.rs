//! The thread that moves the packets of a lab: out of a device, through a pipe, into the device at the other end.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::pipe::Pipe;
use crate::system;
use crate::world::Devices;

/// Packets taken from a device before the others have their turn.
const TURN: usize = 64;
const LARGEST_PACKET: usize = 65_536;

/// Both directions of a link.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
}

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Mover {
    shared: Arc<Shared>,
    /// A byte wakes the thread, the end stops it.
    wake: Option<PipeWriter>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    pipes: Mutex<Vec<Pipes>>,
}

impl Shared {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// A pipe is whole between two calls, whoever panicked between them.
    fn lock(&self) -> MutexGuard<'_, Vec<Pipes>> {
        self.pipes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mover {
    /// Starts the thread; the devices are as the pipes.
    pub(crate) fn start(devices: Vec<Devices>, pipes: Vec<Pipes>) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            pipes: Mutex::new(pipes),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("network-lab".into())
            .spawn(move || move_packets(&devices, &theirs, reader))?;
        Ok(Self {
            shared,
            wake: Some(writer),
            thread: Some(thread),
        })
    }

    /// Looks at the pipes or changes them, at this time of theirs.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Vec<Pipes>, Duration) -> T) -> io::Result<T> {
        let result = {
            let mut pipes = self.shared.lock();
            work(&mut pipes, self.shared.now())
        };
        // What is due next may have changed.
        if let Some(mut wake) = self.wake.as_ref() {
            wake.write_all(&[0])?;
        }
        Ok(result)
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.wake = None;
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(Err(error))) => eprintln!("network-lab stopped moving packets: {error}"),
            Some(Err(_)) => eprintln!("network-lab panicked"),
            Some(Ok(Ok(()))) | None => {}
        }
    }
}

fn move_packets(devices: &[Devices], shared: &Shared, mut wake: PipeReader) -> io::Result<()> {
    system::be_punctual();
    let ends = devices.iter().flat_map(|ends| [&ends.child, &ends.parent]);
    let files: Vec<RawFd> = std::iter::once(wake.as_raw_fd())
        .chain(ends.map(AsRawFd::as_raw_fd))
        .collect();
    let mut buffer = vec![0; LARGEST_PACKET];
    let mut ready = Vec::new();
    let mut due = None;
    loop {
        let limit = due.map(|due: Duration| due.saturating_sub(shared.now()));
        system::wait(&files, limit, &mut ready)?;
        if ready[0] && wake.read(&mut buffer)? == 0 {
            return Ok(());
        }
        let mut all = shared.lock();
        for ((devices, pipes), ready) in devices.iter().zip(all.iter_mut()).zip(ready[1..].chunks_exact(2)) {
            if ready[0] {
                take(&devices.child, &mut pipes.up, shared, &mut buffer);
            }
            if ready[1] {
                take(&devices.parent, &mut pipes.down, shared, &mut buffer);
            }
            give(&mut pipes.up, &devices.parent, shared);
            give(&mut pipes.down, &devices.child, shared);
        }
        let next = all
            .iter()
            .flat_map(|pipes| [pipes.up.next_due(), pipes.down.next_due()]);
        due = next.flatten().min();
    }
}

fn take(mut device: &File, pipe: &mut Pipe, shared: &Shared, buffer: &mut [u8]) {
    for _ in 0..TURN {
        match device.read(buffer) {
            Ok(length) => pipe.push(shared.now(), &buffer[..length]),
            // Nothing more, or the interface is down.
            Err(_) => return,
        }
    }
}

fn give(pipe: &mut Pipe, mut device: &File, shared: &Shared) {
    while let Some(packet) = pipe.pop(shared.now()) {
        match device.write(&packet) {
            // An interface that is down loses it, as the end of a cable would.
            Ok(_) | Err(_) => {}
        }
    }
}
