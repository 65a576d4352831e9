//! The thread of a source that draws its own pictures.

use std::time::Instant;

use super::pacer::{FrameRate, Pacer};
use super::{Marker, Moment, Outlet, StampMode, Waited};
use crate::devices::DeviceStatus;
use crate::frame::{FramePool, VideoFrame};
use crate::spec::VideoMode;

/// Draws picture after picture at the mode's pace until the owner lets go. `draw` gets the picture's number.
pub(super) fn run(outlet: &Outlet, name: &str, mode: VideoMode, stamp: StampMode, draw: impl Fn(u64, &mut VideoFrame)) {
    let pool = FramePool::new();
    let mut marker = Marker::new(stamp);
    let rate = FrameRate {
        numerator: mode.fps,
        denominator: 1,
    };
    let mut pacer = Pacer::new(Instant::now(), rate);
    outlet.set_status(DeviceStatus::Running {
        name: name.into(),
        mode: Some(mode.to_string()),
    });
    while outlet.wait_until(pacer.deadline()) == Waited::Due {
        let moment = Moment::now();
        let mut frame = pool.frame(mode.width as usize, mode.height as usize, moment.at);
        draw(pacer.frame(), &mut frame);
        marker.mark(&mut frame, moment);
        outlet.put(frame);
        pacer.advance(moment.at);
    }
}
