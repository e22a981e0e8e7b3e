//! The `jingyou` command: parses arguments, calls the library, turns outcomes into exit codes.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jingyou: {error:#}");
            ExitCode::from(cli::EXIT_FAULT)
        }
    }
}
