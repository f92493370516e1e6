//! Times as a developer's pages write them.

use std::time::SystemTime;

/// The time of day in UTC.
pub(in crate::runtime) fn time_of_day(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_is_the_time_of_day() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(3 * 86_400 + 3661);
        assert_eq!(time_of_day(at), "01:01:01");
    }
}
