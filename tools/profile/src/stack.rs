//! The stack of a thread that stands, by its registers and the unwind tables of what is mapped.

use crate::signal;
use cairn_reader::Target;
use cairn_reader::registers::Registers;
use cairn_reader::samples::{Frame, Module};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Unwinder};
use object::{Object, ObjectSection, ObjectSegment};
use std::path::{Path, PathBuf};

#[cfg(target_arch = "aarch64")]
use framehop::aarch64::{CacheAarch64 as Cache, UnwindRegsAarch64, UnwinderAarch64 as Native};
#[cfg(target_arch = "x86_64")]
use framehop::x86_64::{CacheX86_64 as Cache, UnwindRegsX86_64, UnwinderX86_64 as Native};

/// Frames at most.
const FRAMES: usize = 256;
/// Bytes of a file whose tables are read, at most.
const FILE: u64 = 4 << 30;

#[cfg(target_arch = "x86_64")]
fn registers(of: &Registers) -> UnwindRegsX86_64 {
    UnwindRegsX86_64::new(of.pc, of.sp, of.fp)
}

#[cfg(target_arch = "aarch64")]
fn registers(of: &Registers) -> UnwindRegsAarch64 {
    UnwindRegsAarch64::new(of.link, of.sp, of.fp)
}

/// What is needed to unwind the threads of a process or core file.
pub struct Stacks {
    /// The program and its libraries, by what is mapped.
    pub modules: Vec<Module>,
    unwinder: Native<Vec<u8>>,
    /// What the paths of the modules begin at.
    root: PathBuf,
}

/// A section of a file, and where it lies.
fn section(file: &object::File<'_>, name: &str) -> Option<(std::ops::Range<u64>, Vec<u8>)> {
    let section = file.section_by_name(name)?;
    let from = section.address();
    let data = section.uncompressed_data().ok()?.into_owned();
    Some((from..from + section.size(), data))
}

impl Stacks {
    /// Reads the tables of the files that are mapped, as they are seen from `root`.
    #[must_use]
    pub fn of(target: &dyn Target, root: &Path) -> Self {
        let mut stacks = Self {
            modules: Vec::new(),
            unwinder: Native::new(),
            root: root.to_owned(),
        };
        let maps = target.maps();
        for (i, map) in maps.iter().enumerate() {
            let is_file = map.name.starts_with('/') && !map.name.starts_with("/dev/");
            if !is_file || map.offset != 0 {
                continue;
            }
            let same = maps
                .iter()
                .skip(i)
                .take_while(|m| m.name == map.name || m.name.is_empty());
            let end = same.filter(|m| m.name == map.name).map(|m| m.to).max();
            stacks.add(map.from, end.unwrap_or(map.to), &map.name, root);
        }
        stacks
    }

    fn add(&mut self, start: u64, end: u64, name: &str, root: &Path) {
        let path = root.join(name.trim_start_matches('/'));
        let is_small = std::fs::metadata(&path).is_ok_and(|of| of.is_file() && of.len() <= FILE);
        let Some(bytes) = is_small.then(|| std::fs::read(&path).ok()).flatten() else {
            return;
        };
        let Ok(file) = object::File::parse(&*bytes) else {
            return;
        };
        let first = file.segments().map(|s| s.address()).min().unwrap_or(0);
        let bias = start.wrapping_sub(first & !4095);
        let (eh_frame_svma, eh_frame) = section(&file, ".eh_frame").unzip();
        let (eh_frame_hdr_svma, eh_frame_hdr) = section(&file, ".eh_frame_hdr").unzip();
        let (text_svma, text) = section(&file, ".text").unzip();
        let got_svma = section(&file, ".got").map(|s| s.0);
        let sections = ExplicitModuleSectionInfo {
            text_svma,
            text,
            got_svma,
            eh_frame_svma,
            eh_frame,
            eh_frame_hdr_svma,
            eh_frame_hdr,
            ..ExplicitModuleSectionInfo::default()
        };
        let module = framehop::Module::new(name.to_owned(), start..end, bias, sections);
        self.unwinder.add_module(module);
        self.modules.push(Module {
            start,
            end,
            bias,
            path: name.to_owned(),
        });
    }

    /// The code at an address: of the file that is mapped there, since core files have none of it, or
    /// as it lies in memory.
    fn code(&self, target: &dyn Target, pc: u64) -> Option<Vec<u8>> {
        let holds = |m: &&Module| m.start <= pc && pc < m.end;
        let Some(module) = self.modules.iter().find(holds) else {
            let words = (pc..).step_by(8).take(signal::CODE.div_ceil(8));
            let words = words.map(|at| target.word(at).map(u64::to_le_bytes));
            return Some(words.collect::<Option<Vec<_>>>()?.concat());
        };
        let path = self.root.join(module.path.trim_start_matches('/'));
        let bytes = std::fs::read(path).ok()?;
        let file = object::File::parse(&*bytes).ok()?;
        let at = pc.wrapping_sub(module.bias);
        let mut segments = file.segments();
        let code = segments.find_map(|s| s.data_range(at, signal::CODE as u64).ok().flatten())?;
        Some(code.to_vec())
    }

    /// The frames of a thread, innermost first; the first one as if it were a return address, too.
    #[must_use]
    pub fn walk(&self, target: &dyn Target, of: &Registers) -> Vec<Frame> {
        let mut cache = Cache::<framehop::MayAllocateDuringUnwind>::new();
        let mut read = |at: u64| target.word(at).ok_or(());
        let mut at = FrameAddress::from_instruction_pointer(of.pc);
        let mut regs = registers(of);
        let mut all = Vec::new();
        while all.len() < FRAMES {
            let pc = at.address_for_lookup().wrapping_add(1);
            let holds = |m: &Module| m.start <= pc && pc < m.end;
            all.push(Frame {
                pc,
                module: self.modules.iter().position(holds),
            });
            let next = (self.unwinder).unwind_frame(at, &mut regs, &mut cache, &mut read);
            if let Some(next) = next
                .ok()
                .flatten()
                .and_then(FrameAddress::from_return_address)
            {
                at = next;
                continue;
            }
            let code = self.code(target, at.address());
            let is_return = code.is_some_and(|code| signal::is_return(&code));
            match signal::interrupted(target, regs.sp()).filter(|_| is_return) {
                Some(of) => {
                    at = FrameAddress::from_instruction_pointer(of.pc);
                    regs = registers(&of);
                }
                None => break,
            }
        }
        all
    }
}
