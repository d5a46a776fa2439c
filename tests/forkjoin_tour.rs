//! The tour verifies each of its lines; here it is run.

#[path = "../examples/forkjoin_tour.rs"]
mod forkjoin_tour;

#[test]
fn every_line_of_the_tour_holds() {
    forkjoin_tour::main().expect("no line fails");
}
