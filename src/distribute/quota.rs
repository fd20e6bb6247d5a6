//! At most so many of something in a while, and how many were left out: for lines that a peer can cause.

use std::time::Duration;

/// Lets `most` through in each `window`.
#[derive(Debug)]
pub(super) struct Quota {
    most: u32,
    window: Duration,
    began: Option<Duration>,
    taken: u32,
    left_out: u64,
}

impl Quota {
    /// Nothing taken yet.
    pub(super) fn new(most: u32, window: Duration) -> Self {
        Self { most, window, began: None, taken: 0, left_out: 0 }
    }

    /// `None` if the quota for now is used up; else how many were left out since this was last said.
    pub(super) fn take(&mut self, now: Duration) -> Option<u64> {
        let over = self.began.is_none_or(|began| now.saturating_sub(began) >= self.window);
        if over {
            (self.began, self.taken) = (Some(now), 0);
        }
        if self.taken >= self.most {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.taken = self.taken.saturating_add(1);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_is_kept_and_what_was_left_out_is_said_once() {
        let at = Duration::from_millis;
        let mut quota = Quota::new(2, at(1000));
        assert_eq!(quota.take(at(5000)), Some(0));
        assert_eq!(quota.take(at(5001)), Some(0));
        assert_eq!(quota.take(at(5002)), None);
        assert_eq!(quota.take(at(5999)), None);
        assert_eq!(quota.take(at(6000)), Some(2));
        assert_eq!(quota.take(at(6000)), Some(0));
        assert_eq!(quota.take(at(6001)), None);
    }
}
