//! What can be measured, and what is missing for it.

use anyhow::Result;
use launch::libraries::missing_packages;

use crate::libraries;
use crate::manifest;

/// Shows the workloads and the libraries, and which packages there are for what is missing.
///
/// # Errors
/// When the manifest cannot be read, or Cairn does not build.
pub(crate) fn print() -> Result<()> {
    for workload in manifest::read()? {
        println!(
            "{:<24} {:<8} {} {}",
            workload.name,
            workload.group,
            workload.program,
            workload.args.join(" ")
        );
    }
    println!();
    for library in libraries::find(None, &[])? {
        println!("{:<24} {}", library.name, library.version);
    }
    let missing = missing_packages();
    if !missing.is_empty() {
        println!("\nmissing: apt-get install {}", missing.join(" "));
    }
    Ok(())
}
