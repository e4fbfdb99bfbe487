//! One binary of integration tests, a module per promise.

mod sim;
