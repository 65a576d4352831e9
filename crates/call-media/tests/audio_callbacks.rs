//! A sound card's callbacks must not allocate: an allocation may wait for a lock, and a late callback is heard.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use call_media::audio::ring;

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and nobody who asks for it.
    ALLOCATIONS
        .try_with(|allocations| allocations.set(allocations.get() + 1))
        .unwrap_or_default();
}

// SAFETY: every call goes unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_of(|| drop(std::hint::black_box(Box::new(1)))), 2);
}

#[test]
fn the_microphones_callback_does_not_allocate() {
    let (mut end, mut samples, health) = ring::capture(44_100, 2);
    let start = Instant::now();
    let data = [1_000_i16; 2 * 4_410];
    let counted = allocations_of(|| {
        for n in 0..500_usize {
            // All sizes from nothing to 100 ms; nobody empties the ring for a while, so that it overflows too.
            let frames = (n * 97) % 4_410;
            end.take(&data[..2 * frames], start + Duration::from_millis(n as u64));
            if n % 50 > 25 {
                let waiting = samples.slots();
                samples.read_chunk(waiting).expect("they wait").commit_all();
            }
        }
    });
    assert_eq!(counted, 0);
    assert!(health.lost_samples() > 0);
}

#[test]
fn the_speakers_callback_does_not_allocate() {
    let (mut end, mut samples, health) = ring::playback(48_000, 2);
    let start = Instant::now();
    let mut floats = [0.0_f32; 2 * 4_800];
    let mut integers = [0_u16; 2 * 4_800];
    let counted = allocations_of(|| {
        for n in 0..500_usize {
            let frames = (n * 97) % 4_800;
            let now = start + Duration::from_millis(n as u64);
            end.fill(&mut floats[..2 * frames], now);
            end.fill(&mut integers[..2 * frames], now);
            // Now and then enough, now and then too little.
            for _ in 0..n % 7 {
                samples.push_entire_slice(&[0.1; 480]).unwrap_or_default();
            }
        }
    });
    assert_eq!(counted, 0);
    assert!(health.take_shortfall() > 0);
}
