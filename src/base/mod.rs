//! Layer base: what every layer above shares and none of them owns.

pub(crate) mod clock;
pub(crate) mod dice;
pub(crate) mod epoch_cell;
pub(crate) mod promise;
mod seat;
