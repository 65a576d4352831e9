//! The links that calls are measured over, what Chromium makes of them, and what is asked of us besides not being worse.
//!
//! Chromium's figures are those of two Chromium 156 on the machine this was written on, over the same links. How well a
//! picture comes through depends on the clip: compare it only with the clip that Chromium had.

use super::figures::{Better, Figure};

/// A link, impaired in both directions at one of the two hosts.
pub struct Link {
    /// For the command line and JSON.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// In the words of `network_lab::Profile`.
    pub words: &'static str,
    /// What changes while the call runs.
    pub step: Option<Step>,
    /// Whether pictures are compared, in a run of its own.
    pub picture: bool,
    /// From the better to the worse of several runs of Chromium.
    pub chromium: &'static [(Figure, f64, f64)],
    /// Limits of our own.
    pub asked: &'static [(Figure, f64)],
}

/// A rate that drops and comes back.
pub struct Step {
    /// Of the whole call.
    pub seconds: u64,
    /// Since the first picture.
    pub drop_s: u64,
    pub dropped: &'static str,
    /// Since the first picture.
    pub back_s: u64,
    pub back: &'static str,
}

impl Link {
    /// The stricter of Chromium's best and what is asked besides.
    pub fn limit(&self, figure: Figure) -> Option<f64> {
        let chromium = self.chromium.iter().find(|(named, ..)| *named == figure);
        let asked = self.asked.iter().find(|(named, _)| *named == figure);
        let (_, _, better) = figure.about();
        let both = [chromium.map(|(_, best, _)| *best), asked.map(|(_, limit)| *limit)];
        both.into_iter().flatten().reduce(match better {
            Better::Less => f64::min,
            Better::More => f64::max,
        })
    }

    /// Chromium's figure as text.
    pub fn chromium(&self, figure: Figure) -> Option<String> {
        let (_, best, worst) = self.chromium.iter().find(|(named, ..)| *named == figure)?;
        Some(if best == worst {
            best.to_string()
        } else {
            format!("{}-{}", best.min(*worst), best.max(*worst))
        })
    }
}

use Figure::{
    AudioConcealed, BackAfter, DropConcealed, DropFreezes, DropGap, DropLatency, DropUnder150, DropUnder400,
    FirstFrame, FramesPerSecond, Freezes, FullSizeAfter, LastHeight, LatencyP50, LatencyP95, LatencyP99, LongestFreeze,
    LowestHeight, Psnr,
};

/// In the order they are measured.
pub const LINKS: [Link; 10] = [
    Link {
        name: "clean",
        title: "clean",
        words: "",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 83.0, 83.0),
            (LatencyP95, 85.0, 85.0),
            (LatencyP99, 86.0, 86.0),
            (Freezes, 0.0, 1.0),
            (LastHeight, 720.0, 720.0),
            (FullSizeAfter, 24.5, 24.5),
            (Psnr, 39.3, 39.3),
            (AudioConcealed, 0.0, 0.0),
            (FirstFrame, 310.0, 310.0),
        ],
        asked: &[(LatencyP50, 30.0), (FullSizeAfter, 2.0)],
    },
    Link {
        name: "loss-5",
        title: "5 % loss",
        words: "loss=5%",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 99.0, 99.0),
            (LatencyP95, 106.0, 106.0),
            (LatencyP99, 122.0, 122.0),
            (Freezes, 0.0, 0.0),
            (LastHeight, 720.0, 720.0),
            (Psnr, 39.3, 39.3),
            (AudioConcealed, 1.1, 1.1),
            (FirstFrame, 371.0, 371.0),
        ],
        asked: &[(AudioConcealed, 1.0)],
    },
    Link {
        name: "loss-10",
        title: "10 % loss",
        words: "loss=10%",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 81.0, 81.0),
            (LatencyP95, 97.0, 97.0),
            (LatencyP99, 102.0, 102.0),
            (Freezes, 1.0, 1.0),
            (LastHeight, 360.0, 360.0),
            (Psnr, 35.1, 35.1),
            (AudioConcealed, 2.3, 2.3),
            (FirstFrame, 458.0, 458.0),
        ],
        asked: &[(LowestHeight, 720.0), (LongestFreeze, 200.0)],
    },
    Link {
        name: "loss-5-rtt-100",
        title: "5 % loss, 100 ms round trip",
        words: "loss=5%,delay=50ms",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 194.0, 194.0),
            (LatencyP95, 209.0, 209.0),
            (LatencyP99, 307.0, 307.0),
            (Freezes, 11.0, 21.0),
            (FramesPerSecond, 25.6, 25.6),
            (LastHeight, 720.0, 720.0),
            (Psnr, 39.3, 39.3),
            (AudioConcealed, 0.7, 0.7),
            (FirstFrame, 999.0, 999.0),
        ],
        asked: &[(FramesPerSecond, 29.0), (Freezes, 1.0)],
    },
    Link {
        name: "rtt-100-jitter-30",
        title: "100 ms round trip, 30 ms jitter",
        words: "delay=50ms,jitter=30ms",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 194.0, 194.0),
            (LatencyP95, 196.0, 196.0),
            (LatencyP99, 198.0, 198.0),
            (Freezes, 0.0, 0.0),
            (LastHeight, 720.0, 720.0),
            (Psnr, 39.2, 39.2),
            (AudioConcealed, 0.0, 0.0),
            (FirstFrame, 718.0, 718.0),
        ],
        asked: &[],
    },
    Link {
        name: "rate-1000",
        title: "1 Mbit/s",
        words: "rate=1mbit,queue=300ms",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 148.0, 148.0),
            (LatencyP95, 155.0, 155.0),
            (LatencyP99, 156.0, 156.0),
            (Freezes, 0.0, 0.0),
            (LastHeight, 360.0, 360.0),
            (Psnr, 33.9, 33.9),
            (AudioConcealed, 0.0, 0.0),
            (FirstFrame, 417.0, 417.0),
        ],
        asked: &[],
    },
    Link {
        name: "rate-500",
        title: "500 kbit/s",
        words: "rate=500kbit,queue=300ms",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 116.0, 116.0),
            (LatencyP95, 133.0, 133.0),
            (LatencyP99, 137.0, 137.0),
            (Freezes, 0.0, 0.0),
            (LastHeight, 360.0, 360.0),
            (Psnr, 32.5, 32.5),
            (AudioConcealed, 0.0, 0.0),
            (FirstFrame, 589.0, 589.0),
        ],
        asked: &[],
    },
    Link {
        name: "rate-250",
        title: "250 kbit/s",
        words: "rate=250kbit,queue=300ms",
        step: None,
        picture: true,
        chromium: &[
            (LatencyP50, 118.0, 118.0),
            (LatencyP95, 135.0, 135.0),
            (LatencyP99, 138.0, 138.0),
            (Freezes, 0.0, 0.0),
            (LastHeight, 360.0, 360.0),
            (Psnr, 30.3, 30.3),
            (AudioConcealed, 0.0, 0.0),
            (FirstFrame, 894.0, 894.0),
        ],
        asked: &[(FramesPerSecond, 20.0), (Psnr, 30.5)],
    },
    Link {
        name: "rate-drop",
        title: "3 Mbit/s, 500 kbit/s, 3 Mbit/s",
        words: "rate=3mbit,queue=300ms",
        step: Some(Step {
            seconds: 60,
            drop_s: 15,
            dropped: "rate=500kbit",
            back_s: 35,
            back: "rate=3mbit",
        }),
        picture: false,
        chromium: &[
            (DropGap, 1500.0, 3600.0),
            (DropFreezes, 4.0, 4.0),
            (DropLatency, 4200.0, 4200.0),
            (DropUnder400, 4.0, 7.0),
            (DropUnder150, 15.0, 15.0),
            (DropConcealed, 9.0, 17.0),
            (BackAfter, 16.0, 20.0),
        ],
        asked: &[
            (DropGap, 500.0),
            (DropUnder400, 1.5),
            (DropUnder150, 5.0),
            (DropConcealed, 2.0),
            (BackAfter, 6.0),
        ],
    },
    Link {
        name: "loss-30",
        title: "30 % loss",
        words: "loss=30%",
        step: None,
        picture: false,
        chromium: &[],
        asked: &[(FramesPerSecond, 10.0)],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> &'static Link {
        LINKS.iter().find(|link| link.name == name).expect("a link")
    }

    #[test]
    fn every_link_can_be_made() {
        for link in &LINKS {
            let words = [Some(link.words), link.step.as_ref().map(|step| step.dropped)];
            for words in words.into_iter().flatten() {
                network_lab::Profile::parse(words).expect(link.name);
            }
        }
    }

    #[test]
    fn the_stricter_limit_counts() {
        assert_eq!(link("clean").limit(LatencyP50), Some(30.0));
        assert_eq!(link("loss-10").limit(LastHeight), Some(360.0));
        assert_eq!(link("loss-10").limit(LowestHeight), Some(720.0));
        assert_eq!(link("loss-5-rtt-100").limit(Freezes), Some(1.0));
        assert_eq!(link("rate-drop").limit(DropGap), Some(500.0));
        assert_eq!(link("clean").limit(LongestFreeze), None);
        assert_eq!(link("clean").chromium(Freezes), Some("0-1".into()));
        assert_eq!(link("clean").chromium(Psnr), Some("39.3".into()));
    }
}
