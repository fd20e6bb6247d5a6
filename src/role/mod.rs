//! One file a command.

mod command;
mod install;
mod ready;
