//! How an edge answered: from its cache or from the site.

/// What a [`TestEdge`](crate::testing::TestEdge) did for an answer, as CloudFront says it in `X-Cache`.
///
/// # Examples
///
/// ```
/// # use chalice_http_toolkit::testing::{CacheResult, TestEdge};
/// # async fn test(edge: TestEdge) {
/// let twice = (edge.get("/account").send().await, edge.get("/account").send().await);
/// assert_eq!(twice.1.cache(), Some(CacheResult::Miss)); // nobody else's copy is handed out
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// It had a copy, and the site was not asked.
    Hit,
    /// It had a copy that was too old, and the site said that it is still good.
    RefreshHit,
    /// It had a copy that was too old, and handed that out: the site failed, or allows it meanwhile.
    Stale,
    /// The site has answered.
    Miss,
}
