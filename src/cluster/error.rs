//! Why a node cannot join.

use std::error::Error;
use std::fmt;

/// An error of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterError {
    /// The cluster cannot be reached now: try again.
    Unavailable {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { reason } => write!(f, "the cluster cannot be reached: {reason}"),
        }
    }
}

impl Error for ClusterError {}
