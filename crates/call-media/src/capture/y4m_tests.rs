//! Headers as they are found in the wild, damage of every kind, and arbitrary bytes.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// A file of these header tags and pictures.
fn file(tags: &str, pictures: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 {tags}\n").into_bytes();
    for picture in pictures {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend_from_slice(picture);
    }
    bytes
}

fn reader(bytes: Vec<u8>) -> Result<Y4mReader<Cursor<Vec<u8>>>, Y4mError> {
    Y4mReader::new(Cursor::new(bytes))
}

fn next(reader: &mut Y4mReader<Cursor<Vec<u8>>>) -> Result<(FrameRead, VideoFrame), Y4mError> {
    let mut frame = FramePool::new().frame(reader.width(), reader.height(), Instant::now());
    reader.read_frame(&mut frame).map(|read| (read, frame))
}

fn only_picture(tags: &str, picture: &[u8]) -> VideoFrame {
    let mut reader = reader(file(tags, &[picture])).unwrap();
    let (read, frame) = next(&mut reader).unwrap();
    assert_eq!(read, FrameRead::Whole, "{tags}");
    assert_eq!(next(&mut reader).unwrap().0, FrameRead::End, "{tags}");
    frame
}

fn refusal(tags: &str) -> String {
    reader(file(tags, &[])).err().expect("refused").to_string()
}

#[test]
fn a_file_of_ffmpeg_is_read() {
    let picture: Vec<u8> = (0..4 * 2 * 3 / 2).collect();
    let tags = "W4 H2 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL";
    let frame = only_picture(tags, &picture);
    assert_eq!((frame.width(), frame.height()), (4, 2));
    assert_eq!(frame.data(), picture);
    assert_eq!(frame.colour.range, ColourRange::Full);
    assert_eq!(describe(frame_rate("30000:1001").unwrap()), "29.97");
    assert_eq!(describe(frame_rate("25:1").unwrap()), "25");
}

#[test]
fn odd_sizes_are_cropped() {
    // 5x3: luma 15 bytes, chroma planes 3x2.
    let picture: Vec<u8> = (0..15).chain(100..106).chain(200..206).collect();
    let frame = only_picture("W5 H3 F25:1", &picture);
    assert_eq!((frame.width(), frame.height()), (4, 2));
    assert_eq!(frame.y(), [0, 1, 2, 3, 5, 6, 7, 8]);
    assert_eq!(frame.u(), [100, 101]);
    assert_eq!(frame.v(), [200, 201]);
}

#[test]
fn other_samplings_are_brought_to_420() {
    let luma = [50; 8];
    let across = [&luma[..], &[10, 20, 30, 40], &[50, 60, 70, 80]].concat();
    let frame = only_picture("W4 H2 F25:1 C422", &across);
    assert_eq!((frame.u(), frame.v()), (&[20, 30][..], &[60, 70][..]));
    let whole = [&luma[..], &[10, 20, 30, 40, 10, 20, 30, 40], &[90; 8]].concat();
    let frame = only_picture("W4 H2 F25:1 C444", &whole);
    assert_eq!((frame.u(), frame.v()), (&[15, 35][..], &[90, 90][..]));
    let frame = only_picture("W4 H2 F25:1 Cmono", &luma);
    assert_eq!((frame.u(), frame.v()), (&[128, 128][..], &[128, 128][..]));
}

#[test]
fn an_odd_size_in_444_is_cropped_too() {
    let luma = [50; 15];
    let chroma: Vec<u8> = (0..15).collect();
    let frame = only_picture("W5 H3 F25:1 C444", &[&luma[..], &chroma, &chroma].concat());
    assert_eq!(frame.u(), [3, 5]);
}

#[test]
fn what_cannot_be_played_is_refused_with_a_sentence() {
    assert!(refusal("W4 H2 F25:1 It").contains("interlaced"));
    assert!(refusal("W4 H2 F25:1 C420p10").contains("'420p10'"));
    assert!(refusal("H2 F25:1").contains("width"));
    assert!(refusal("W4 H999999 F25:1").contains("height"));
    assert!(refusal("W0 H2 F25:1").contains("width"));
    assert!(refusal("W4 H2").contains("frame rate"));
    for rate in ["0:1", "25:0", "25", "1000:1", "1:100000", "4294967296:1"] {
        assert!(refusal(&format!("W4 H2 F{rate}")).contains("frame rate"), "{rate}");
    }
    for other in [
        &b""[..],
        b"RIFF....WAVEfmt ",
        b"YUV4MPEG2",
        b"YUV4MPEG2 \xFF\xFE\n",
        &[b'Y'; 100_000],
    ] {
        assert!(matches!(reader(other.to_vec()), Err(Y4mError::NotY4m)), "{other:?}");
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_ends_with_its_last_whole_picture() {
    let pictures = [[1; 12], [2; 12]];
    let whole = file("W4 H2 F25:1", &[&pictures[0], &pictures[1]]);
    let header = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for length in header..=whole.len() {
        let mut reader = reader(whole[..length].to_vec()).unwrap();
        let mut whole_pictures = 0;
        while let (FrameRead::Whole, frame) = next(&mut reader).unwrap() {
            assert_eq!(frame.data(), pictures[whole_pictures]);
            whole_pictures += 1;
        }
        assert_eq!(whole_pictures, (length - header) / 18, "cut at {length}");
    }
}

#[test]
fn a_picture_that_begins_with_something_else_is_damage() {
    let mut bytes = file("W4 H2 F25:1", &[&[1; 12]]);
    bytes.extend_from_slice(b"FRANK\n");
    let mut reader = reader(bytes).unwrap();
    assert_eq!(next(&mut reader).unwrap().0, FrameRead::Whole);
    assert!(matches!(next(&mut reader), Err(Y4mError::Damaged)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read_all(bytes);
    }

    #[test]
    fn arbitrary_headers_are_read_or_refused(
        tags in "(W[0-9]{0,5} )?(H[0-9]{0,5} )?(F[0-9]{0,3}:[0-9]{0,3} )?(C4[24][024](jpeg)? )?(I[pt?] )?[ -~]{0,20}",
        rest in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        read_all(file(&tags, &[&rest]));
    }
}

/// Reads to the end or to the first error; the memory that takes is bounded by the largest side.
fn read_all(bytes: Vec<u8>) {
    let Ok(mut reader) = reader(bytes) else {
        return;
    };
    assert!(reader.width() <= MAX_SIDE && reader.height() <= MAX_SIDE);
    // A larger frame than the file could fill is not worth its memory a thousand times over.
    while let Ok((FrameRead::Whole, frame)) = next(&mut reader) {
        assert!(frame.data().len() <= 3_000);
    }
}
