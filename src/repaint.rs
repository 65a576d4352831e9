//! Decides when the window is painted: as soon as somebody else's picture comes, seldom for everything else.
//!
//! Pure: what is new and the time go in, a delay comes out. Painting the window is the dearest thing the
//! application does where there is no GPU, and every source of news (two cameras, the microphone's level)
//! comes at a rate of its own: what can wait rides on the paint of a remote picture.

use std::time::{Duration, Instant};

/// A remote picture within this time means that there will be another one soon.
const FLOWING: Duration = Duration::from_millis(300);

/// Who paints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Painting {
    /// A graphics card.
    Hardware,
    /// The processor (llvmpipe and the like).
    Software,
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A picture of somebody else.
    RemotePicture,
    /// A picture of our own camera.
    OwnPicture,
    /// A snapshot or an event.
    State,
}

/// When the window was painted, and when it should be next.
#[derive(Clone, Debug)]
pub struct RepaintPace {
    painting: Painting,
    painted_at: Option<Instant>,
    remote_at: Option<Instant>,
    own_taken_at: Option<Instant>,
    remote_sources: usize,
}

impl RepaintPace {
    /// Nothing painted yet.
    #[must_use]
    pub fn new(painting: Painting) -> Self {
        Self {
            painting,
            painted_at: None,
            remote_at: None,
            own_taken_at: None,
            remote_sources: 0,
        }
    }

    /// How many remote pictures there are.
    pub fn set_remote_sources(&mut self, count: usize) {
        self.remote_sources = count;
    }

    /// The window is being painted.
    pub fn painted(&mut self, now: Instant) {
        self.painted_at = Some(now);
    }

    /// How long to wait with painting this; zero is at once.
    pub fn delay(&mut self, news: News, now: Instant) -> Duration {
        if news == News::RemotePicture {
            self.remote_at = Some(now);
        }
        let apart = self.apart(news, now);
        let due = self.painted_at.map_or(now, |painted| painted + apart);
        due.saturating_duration_since(now)
    }

    /// Whether an own picture that waits should be uploaded with this paint.
    pub fn takes_own_picture(&mut self, now: Instant) -> bool {
        let apart = match (self.painting, self.remote_flows(now)) {
            (Painting::Software, true) => Duration::from_millis(60),
            (Painting::Software, false) => Duration::from_millis(20),
            (Painting::Hardware, true | false) => Duration::ZERO,
        };
        let is_due = self.own_taken_at.is_none_or(|taken| now.duration_since(taken) >= apart);
        if is_due {
            self.own_taken_at = Some(now);
        }
        is_due
    }

    /// Least time between the last paint and one for this.
    fn apart(&self, news: News, now: Instant) -> Duration {
        let several = self.remote_sources > 1;
        let ms = match (self.painting, news) {
            // Less than a period at 30 pictures a second: jitter must not add latency.
            (Painting::Software, News::RemotePicture) if !several => 16,
            (Painting::Software, News::RemotePicture) => 33,
            (Painting::Hardware, News::RemotePicture) => 6,
            (Painting::Software | Painting::Hardware, News::OwnPicture) if self.remote_flows(now) => 100,
            (Painting::Software, News::OwnPicture) => 30,
            (Painting::Hardware, News::OwnPicture) => 12,
            (Painting::Software | Painting::Hardware, News::State) if self.remote_flows(now) => 50,
            (Painting::Software, News::State) => 30,
            (Painting::Hardware, News::State) => 12,
        };
        Duration::from_millis(ms)
    }

    fn remote_flows(&self, now: Instant) -> bool {
        self.remote_at.is_some_and(|at| now.duration_since(at) < FLOWING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_news_is_painted_at_once() {
        let mut pace = RepaintPace::new(Painting::Software);
        for news in [News::RemotePicture, News::OwnPicture, News::State] {
            assert_eq!(pace.delay(news, Instant::now()), Duration::ZERO);
        }
    }

    #[test]
    fn a_remote_picture_in_its_turn_does_not_wait() {
        let start = Instant::now();
        let mut pace = RepaintPace::new(Painting::Software);
        pace.painted(start);
        assert_eq!(pace.delay(News::RemotePicture, start + 33 * MS), Duration::ZERO);
    }

    #[test]
    fn own_pictures_and_state_ride_on_the_paint_of_a_remote_picture() {
        let start = Instant::now();
        let mut pace = RepaintPace::new(Painting::Software);
        // Remote pictures each 33 ms, own ones and levels in between: only the remote ones paint.
        let mut paints = 0;
        for tick in 0..30 {
            let now = start + tick * 33 * MS;
            assert_eq!(pace.delay(News::RemotePicture, now), Duration::ZERO);
            pace.painted(now);
            paints += 1;
            assert!(pace.delay(News::OwnPicture, now + 11 * MS) >= 33 * MS);
            assert!(pace.delay(News::State, now + 13 * MS) >= 33 * MS);
        }
        assert_eq!(paints, 30);
    }

    #[test]
    fn without_remote_pictures_the_own_ones_paint() {
        let start = Instant::now();
        let mut pace = RepaintPace::new(Painting::Software);
        pace.painted(start);
        assert_eq!(pace.delay(News::OwnPicture, start + 33 * MS), Duration::ZERO);
    }

    #[test]
    fn beside_remote_pictures_own_ones_are_uploaded_at_half_the_rate() {
        let start = Instant::now();
        let mut pace = RepaintPace::new(Painting::Software);
        let taken = (0..30).filter(|tick| {
            let now = start + *tick * 33 * MS;
            pace.delay(News::RemotePicture, now);
            pace.takes_own_picture(now)
        });
        assert_eq!(taken.count(), 15);
    }

    #[test]
    fn several_remote_pictures_share_paints() {
        let start = Instant::now();
        let mut pace = RepaintPace::new(Painting::Software);
        pace.set_remote_sources(3);
        pace.painted(start);
        assert_eq!(pace.delay(News::RemotePicture, start + 11 * MS), 22 * MS);
    }
}
