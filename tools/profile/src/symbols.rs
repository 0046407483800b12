//! Names of functions, by the files of a process's program and libraries.

use addr2line::Loader;
use cairn_reader::samples::{Frame, Module};
use object::{Object, ObjectSymbol};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// A function at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Line {
    /// Its name; the object and an offset where it has none.
    pub function: String,
    /// Its file, empty if that is not known.
    pub file: String,
    /// The line, 0 if that is not known.
    pub line: u32,
}

/// A file, opened once.
struct Opened {
    loader: Option<Loader>,
    /// Symbols that the dynamic linker needs, by address: of a stripped file there are no others.
    dynamic: BTreeMap<u64, (u64, String)>,
    build_id: String,
}

/// The names of a process.
pub struct Symbols {
    /// Where its files are seen from, and its program.
    root: PathBuf,
    program: PathBuf,
    files: RefCell<HashMap<PathBuf, std::rc::Rc<Opened>>>,
    /// Functions that a just-in-time compiler has told (`/tmp/perf-PID.map`).
    compiled: BTreeMap<u64, (u64, String)>,
}

/// Whether an object is Cairn's library.
fn is_library(module: &Module) -> bool {
    let name = module.path.rsplit('/').next().unwrap_or_default();
    name.starts_with("libcairn.so")
}

/// How many of a stack's frames, from the innermost on, are inside Cairn: all in its library, and in a
/// program that has it linked in those whose functions are its own.
#[must_use]
pub fn own_frames(modules: &[Module], frames: &[Frame], lines: &[Vec<Line>]) -> usize {
    let is_own = |(frame, lines): (&Frame, &Vec<Line>)| {
        let module = frame.module.and_then(|m| modules.get(m));
        let by_name = |line: &Line| {
            let name = line.function.trim_start_matches('<');
            name.starts_with("cairn::") || name.starts_with("__rustc::__rust_")
        };
        module.is_some_and(is_library) || (!lines.is_empty() && lines.iter().all(by_name))
    };
    let own = frames.iter().zip(lines).take_while(|f| is_own(*f)).count();
    // Nothing else on the stack: then these are what there is.
    if own == frames.len() { 0 } else { own }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Opened {
    fn new(path: &Path) -> Self {
        let mut opened = Self {
            loader: None,
            dynamic: BTreeMap::new(),
            build_id: String::new(),
        };
        let Ok(bytes) = fs::read(path) else {
            return opened;
        };
        let Ok(file) = object::File::parse(&*bytes) else {
            return opened;
        };
        opened.build_id = file.build_id().ok().flatten().map(hex).unwrap_or_default();
        for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_definition) {
            if let (Ok(name), object::SymbolKind::Text) = (symbol.name(), symbol.kind()) {
                let end = symbol.address() + symbol.size();
                opened
                    .dynamic
                    .insert(symbol.address(), (end, name.to_owned()));
            }
        }
        // Debugging symbols of a package lie apart, under the build id.
        let (first, rest) = opened.build_id.split_at(opened.build_id.len().min(2));
        let apart = format!("/usr/lib/debug/.build-id/{first}/{rest}.debug");
        let apart = Path::new(&apart);
        let with_names = if apart.exists() { apart } else { path };
        opened.loader = Loader::new(with_names).ok();
        opened
    }

    fn lines(&self, at: u64) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some(loader) = &self.loader {
            if let Ok(mut frames) = loader.find_frames(at) {
                while let Ok(Some(frame)) = frames.next() {
                    let Some(name) = frame.function.as_ref().and_then(|f| f.demangle().ok()) else {
                        continue;
                    };
                    let place = frame.location.as_ref();
                    lines.push(Line {
                        function: name.into_owned(),
                        file: place.and_then(|l| l.file).unwrap_or_default().to_owned(),
                        line: place.and_then(|l| l.line).unwrap_or(0),
                    });
                }
            }
            if lines.is_empty()
                && let Some(name) = loader.find_symbol(at)
            {
                lines.push(named(name));
            }
        }
        if lines.is_empty() {
            lines.extend(covering(&self.dynamic, at).map(named));
        }
        lines
    }
}

/// What a table of functions says of an address.
fn covering(functions: &BTreeMap<u64, (u64, String)>, at: u64) -> Option<&str> {
    let (_, (end, name)) = functions.range(..=at).next_back()?;
    (at < *end).then_some(name)
}

fn named(name: &str) -> Line {
    Line {
        function: addr2line::demangle_auto(name.into(), None).into_owned(),
        ..Line::default()
    }
}

/// The file that a just-in-time compiler wrote for `perf`: begin, length, name.
fn compiled(text: &str) -> BTreeMap<u64, (u64, String)> {
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let mut number = || u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok();
        let (from, len) = (number()?, number()?);
        Some((from, (from.checked_add(len)?, words.next()?.to_owned())))
    };
    text.lines().filter_map(line).collect()
}

impl Symbols {
    /// Those of a process.
    #[must_use]
    pub fn of(pid: i32) -> Self {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let map = format!("tmp/perf-{pid}.map");
        let text = fs::read(root.join(map)).unwrap_or_default();
        Self {
            program: PathBuf::from(format!("/proc/{pid}/exe")),
            files: RefCell::default(),
            compiled: compiled(&String::from_utf8_lossy(&text)),
            root,
        }
    }

    /// Those of a core file or of a report: files as they are seen from here, and the program's.
    #[must_use]
    pub fn of_file(program: PathBuf) -> Self {
        Self {
            root: PathBuf::from("/"),
            program,
            files: RefCell::default(),
            compiled: BTreeMap::new(),
        }
    }

    /// The same once the process is gone: its files as they are seen from here.
    pub fn outlive(&mut self, program: PathBuf) {
        self.root = PathBuf::from("/");
        self.program = program;
    }

    /// Where an object's file is.
    fn file(&self, module: &Module) -> PathBuf {
        match module.path.strip_prefix('/') {
            None => self.program.clone(),
            Some(path) => self.root.join(path),
        }
    }

    fn opened(&self, module: &Module) -> std::rc::Rc<Opened> {
        let path = self.file(module);
        let mut files = self.files.borrow_mut();
        let opened = files
            .entry(path)
            .or_insert_with_key(|path| std::rc::Rc::new(Opened::new(path)));
        std::rc::Rc::clone(opened)
    }

    /// The functions of a return address, innermost first.
    #[must_use]
    pub fn lines(&self, modules: &[Module], frame: Frame) -> Vec<Line> {
        // The call, which may be the last instruction of its function.
        let pc = frame.pc.wrapping_sub(1);
        let Some(module) = frame.module.and_then(|m| modules.get(m)) else {
            let name = covering(&self.compiled, pc).map(named);
            let unknown = || named(&format!("{:#x}", frame.pc));
            return vec![name.unwrap_or_else(unknown)];
        };
        let at = pc.wrapping_sub(module.bias);
        let lines = self.opened(module).lines(at);
        if lines.is_empty() {
            let path = if module.path.is_empty() {
                fs::read_link(&self.program).unwrap_or_else(|_| self.program.clone())
            } else {
                PathBuf::from(&module.path)
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return vec![named(&format!("{name}+{at:#x}"))];
        }
        lines
    }

    /// The build ids of objects, as text.
    #[must_use]
    pub fn build_ids(&self, modules: &[Module]) -> Vec<String> {
        let id = |module: &Module| self.opened(module).build_id.clone();
        modules.iter().map(id).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

    use super::*;

    #[test]
    fn a_compilers_file_names_addresses_inside_its_functions() {
        let map = compiled("7f00 20 Lcom/example/Main;::run\nbad\n0x8000 10 stub\n");
        assert_eq!(covering(&map, 0x7f00), Some("Lcom/example/Main;::run"));
        assert_eq!(covering(&map, 0x7f1f), Some("Lcom/example/Main;::run"));
        assert_eq!(covering(&map, 0x7f20), None);
        assert_eq!(covering(&map, 0x800f), Some("stub"));
        assert_eq!(covering(&map, 0x7eff), None);
    }

    #[test]
    fn names_of_both_languages_are_read() {
        assert_eq!(named("_ZN3foo3barEi").function, "foo::bar(int)");
        assert_eq!(named("_RNvCs1234_7mycrate3foo").function, "mycrate::foo");
        assert_eq!(named("plain").function, "plain");
    }
}
