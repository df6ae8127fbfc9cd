//! A machine's simulated disk: one file, replaced in one step, and a switch that makes writing fail.

/// The disk. It outlives its machine's process.
#[derive(Default)]
pub(crate) struct Disk {
    /// The file of the data set.
    pub file: Option<Vec<u8>>,
    /// Writing fails.
    pub broken: bool,
}

impl Disk {
    /// Puts a new file in the place of the old one: its size.
    pub fn replace(&mut self, bytes: Vec<u8>) -> Result<u64, String> {
        if self.broken {
            return Err("the simulated disk is broken".to_owned());
        }
        let size = bytes.len() as u64;
        self.file = Some(bytes);
        Ok(size)
    }
}
