//! The command line program; everything is in the library.

use std::process::ExitCode;

use clap::Parser;
use plimsoll::cli::{Arguments, main as run};

fn main() -> ExitCode {
    ExitCode::from(run(Arguments::parse()))
}
