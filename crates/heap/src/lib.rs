//! Two calls that make glibc's allocator give memory back to the system; elsewhere they do nothing.
//!
//! A daemon is idle most of its life. What a pass has freed stays with the process all the same, scattered over one arena a
//! thread. This is a crate of its own because the calls are `unsafe`, which the program forbids itself.

/// Keeps all threads' memory in one arena from now on, where it can be given back in larger pieces. For programs that don't
/// allocate on many threads at once.
pub fn use_one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt(3) takes two integers, and may be called at any time.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives memory that is free back to the system.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim(3) takes an integer, is thread-safe, and leaves what is in use where it is.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_in_use_stays_as_it_is() {
        super::use_one_arena();
        let kept = vec![7_u8; 1 << 20];
        drop(vec![1_u8; 1 << 24]);
        super::give_back();
        assert!(kept.iter().all(|byte| *byte == 7));
    }
}
