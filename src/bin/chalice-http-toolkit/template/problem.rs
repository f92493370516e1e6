//! What a rule finds. It knows no rule.

/// A line and what is wrong with it.
pub(super) type Problem = (usize, String);
