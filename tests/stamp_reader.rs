//! The tests' own stamp reader can be trusted: it finds stamps of every size and refuses damaged ones.

mod common;

use common::stamp::{Grey, draw, find_all};

fn noise(width: usize, height: usize) -> Grey {
    let mut state = 1_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    Grey {
        width,
        height,
        pixels: (0..width * height).map(|_| next()).collect(),
    }
}

#[test]
fn stamps_are_found_at_any_place_and_size() {
    for (side, x, y) in [(24.0, 64, 0), (11.3, 301, 77), (5.0, 13, 200), (17.77, 40, 5)] {
        let mut picture = noise(1280, 400);
        draw(&mut picture, x, y, side, 0x2aaa, 0xf_1234);
        let found = find_all(&picture);
        assert_eq!(found.len(), 1, "{side}: {found:?}");
        assert_eq!((found[0].counter, found[0].unix_ms_mod), (0x2aaa, 0xf_1234));
        assert!(found[0].x.abs_diff(x) <= 1 && found[0].y.abs_diff(y) <= 1, "{found:?}");
    }
}

#[test]
fn a_picture_without_a_stamp_has_none() {
    assert_eq!(find_all(&noise(1280, 400)), []);
    let flat = Grey {
        width: 100,
        height: 100,
        pixels: vec![40; 10_000],
    };
    assert_eq!(find_all(&flat), []);
}

#[test]
fn a_damaged_stamp_is_refused() {
    for block in 3..45 {
        let mut picture = noise(1280, 100);
        draw(&mut picture, 64, 10, 24.0, 77, 123_456);
        for row in 10..34 {
            for pixel in &mut picture.pixels[row * 1280 + 64 + block * 24..][..24] {
                *pixel = 240 - *pixel;
            }
        }
        assert_eq!(find_all(&picture), [], "block {block} was turned over");
    }
}

#[test]
fn the_age_of_a_stamp_wraps_with_its_clock() {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let now = u32::try_from(now.as_millis() % (1 << 20)).expect("20 bits");
    for lag in [0, 100, 60_000] {
        let mut picture = noise(1280, 100);
        draw(&mut picture, 64, 10, 24.0, 1, (now + (1 << 20) - lag) % (1 << 20));
        let age = find_all(&picture)[0].age_ms();
        assert!((i64::from(lag)..i64::from(lag) + 30_000).contains(&age), "{lag}: {age}");
    }
}
