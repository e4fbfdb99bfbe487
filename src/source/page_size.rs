//! How many customers to ask for, learnt from what the server can give. Pure.

use crate::model::PageSize;

/// Good pages in a row before the size is doubled.
const GOOD_PAGES_TO_GROW: u32 = 5;
/// Good pages in a row before a size that failed is tried again; doubled each time that it fails again …
const GOOD_PAGES_TO_RETRY: u32 = 20;
/// … up to this.
const GOOD_PAGES_TO_RETRY_MAX: u32 = 320;

/// Halves on failure, doubles after good pages, and is slow to go back to a size that failed.
#[derive(Debug, Clone)]
pub(super) struct AdaptivePageSize {
    configured: PageSize,
    current: PageSize,
    good_pages: u32,
    /// The smallest size that failed lately; forgotten once it, or a larger one, has proven good.
    failed: Option<PageSize>,
    good_pages_to_retry: u32,
}

impl AdaptivePageSize {
    pub(super) fn new(configured: PageSize) -> Self {
        Self {
            configured,
            current: configured,
            good_pages: 0,
            failed: None,
            good_pages_to_retry: GOOD_PAGES_TO_RETRY,
        }
    }

    /// What to ask for next.
    pub(super) fn current(&self) -> PageSize {
        self.current
    }

    /// A page of the current size was too much. False if there is no smaller one.
    pub(super) fn shrink(&mut self) -> bool {
        self.good_pages = 0;
        if self.current == PageSize::MIN {
            return false;
        }
        if self.failed.is_some_and(|failed| self.current >= failed) {
            self.good_pages_to_retry = (self.good_pages_to_retry * 2).min(GOOD_PAGES_TO_RETRY_MAX);
        }
        self.failed = Some(self.current);
        self.current = self.current.halved();
        true
    }

    /// A page of the current size came.
    pub(super) fn good_page(&mut self) {
        self.good_pages = self.good_pages.saturating_add(1);
        let larger = self.current.doubled(self.configured);
        if self.good_pages >= GOOD_PAGES_TO_GROW
            && self.failed.is_some_and(|failed| self.current >= failed)
        {
            self.failed = None;
            self.good_pages_to_retry = GOOD_PAGES_TO_RETRY;
        }
        let needed = if self.failed.is_some_and(|failed| larger >= failed) {
            self.good_pages_to_retry
        } else {
            GOOD_PAGES_TO_GROW
        };
        if larger > self.current && self.good_pages >= needed {
            self.current = larger;
            self.good_pages = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(limit: u64) -> PageSize {
        PageSize::new(limit).unwrap()
    }

    /// How many good pages it takes until the size changes.
    fn good_pages_until_growth(sizes: &mut AdaptivePageSize) -> u32 {
        let before = sizes.current();
        (1..1000)
            .find(|_| {
                sizes.good_page();
                sizes.current() != before
            })
            .unwrap()
    }

    #[test]
    fn halves_down_to_one() {
        let mut sizes = AdaptivePageSize::new(size(1000));
        let mut asked = vec![];
        while sizes.shrink() {
            asked.push(sizes.current().get());
        }
        assert_eq!(asked, [500, 250, 125, 62, 31, 15, 7, 3, 1]);
    }

    #[test]
    fn grows_back_up_to_what_is_configured() {
        let mut sizes = AdaptivePageSize::new(size(100));
        sizes.shrink();
        sizes.shrink();
        assert_eq!(sizes.current(), size(25));
        // 50 is the last size that failed.
        assert_eq!(good_pages_until_growth(&mut sizes), GOOD_PAGES_TO_RETRY);
        assert_eq!(sizes.current(), size(50));
        assert_eq!(good_pages_until_growth(&mut sizes), GOOD_PAGES_TO_GROW);
        assert_eq!(sizes.current(), size(100));
        for _ in 0..1000 {
            sizes.good_page();
        }
        assert_eq!(sizes.current(), size(100));
    }

    #[test]
    fn a_size_that_keeps_failing_is_tried_less_and_less() {
        let mut sizes = AdaptivePageSize::new(size(1000));
        sizes.shrink();
        let mut waits = vec![];
        for _ in 0..6 {
            waits.push(good_pages_until_growth(&mut sizes));
            assert_eq!(sizes.current(), size(1000));
            sizes.shrink();
            assert_eq!(sizes.current(), size(500));
        }
        assert_eq!(waits, [20, 40, 80, 160, 320, 320]);
    }

    #[test]
    fn a_failure_starts_the_count_anew() {
        let mut sizes = AdaptivePageSize::new(size(8));
        sizes.shrink();
        sizes.shrink();
        for _ in 0..19 {
            sizes.good_page();
        }
        sizes.shrink();
        assert_eq!(sizes.current(), size(1));
        assert_eq!(good_pages_until_growth(&mut sizes), GOOD_PAGES_TO_RETRY);
    }

    proptest! {
        #[test]
        fn stays_between_one_and_configured(configured in 1u64..=1000, good in prop::collection::vec(any::<bool>(), 0..500)) {
            let mut sizes = AdaptivePageSize::new(size(configured));
            for good in good {
                let before = sizes.current();
                if good {
                    sizes.good_page();
                    prop_assert!(sizes.current() >= before);
                } else {
                    prop_assert_eq!(sizes.shrink(), before > PageSize::MIN);
                    prop_assert!(sizes.current() <= before);
                }
                prop_assert!((PageSize::MIN..=size(configured)).contains(&sizes.current()));
            }
        }
    }
}
