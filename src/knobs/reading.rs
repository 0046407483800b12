//! The environment as it is read: which variable sets what, and who goes before whom.

use super::text::{amount, number, signal, split_at_byte};
use super::{CHECK_HEADERS, FRAMES_LIMIT, Knobs, NAMES, QUARANTINE_LIMIT};
use crate::config::RUN_LIMIT;

/// Settings while the environment is read, and who set them.
pub(super) struct Reading {
    knobs: Knobs,
    /// Set by `GLIBC_TUNABLES`, a bit each.
    by_tunable: u32,
    /// Set by a variable, a bit each.
    by_variable: u32,
}

impl Reading {
    pub(super) const fn over(knobs: Knobs) -> Self {
        Self {
            knobs,
            by_tunable: 0,
            by_variable: 0,
        }
    }

    /// One `NAME=value` of the environment.
    pub(super) fn variable(&mut self, entry: &[u8]) {
        let Some((name, value)) = split_at_byte(entry, b'=') else {
            return;
        };
        if name == b"GLIBC_TUNABLES" {
            self.tunables(value);
        } else if let Some(name) = name.strip_prefix(b"MALLOC_") {
            self.alias(name, value);
        } else if let Some(name) = name.strip_prefix(b"CAIRN_") {
            self.own(name, value);
        }
    }

    /// `name=value:name=value…`; a piece without `=` is skipped.
    fn tunables(&mut self, list: &[u8]) {
        for piece in list.split(|byte| *byte == b':') {
            let Some((name, value)) = split_at_byte(piece, b'=') else {
                continue;
            };
            let Some(name) = name.strip_prefix(b"glibc.malloc.") else {
                continue;
            };
            let known = NAMES.iter().find(|(_, tunable, _)| *tunable == name);
            if let (Some((knob, ..)), Some(value)) = (known, number(value))
                && self.knobs.set(*knob, value)
            {
                self.by_tunable |= knob.bit();
            }
        }
    }

    fn alias(&mut self, name: &[u8], value: &[u8]) {
        let known = NAMES.iter().find(|(.., alias)| *alias == Some(name));
        if let (Some((knob, ..)), Some(value)) = (known, number(value))
            && (self.by_tunable | self.by_variable) & knob.bit() == 0
            && self.knobs.set(*knob, value)
        {
            self.by_variable |= knob.bit();
        }
    }

    fn own(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"LIMIT" => self.knobs.limit = amount(value).unwrap_or(self.knobs.limit),
            b"REPORT_AT" => self.knobs.report_at = amount(value).unwrap_or(self.knobs.report_at),
            b"REPORT_SIGNAL" => {
                self.knobs.report_signal = signal(value).unwrap_or(self.knobs.report_signal);
            }
            b"REPORT_FILE" => {
                self.knobs.report_file = (value.as_ptr().expose_provenance(), value.len());
            }
            _ => self.own_number(name, value),
        }
    }

    fn own_number(&mut self, name: &[u8], value: &[u8]) {
        match (name, number(value)) {
            // A negative number wraps far above the limit; it means nothing, so it is ignored.
            (b"RUN_MAX", Some(value)) if value <= i64::MAX as u64 => {
                self.knobs.run_max = (value as usize).min(RUN_LIMIT);
            }
            (b"PURGE_DELAY", Some(value)) if value <= u64::from(u32::MAX) => {
                self.knobs.purge_delay = value as usize;
            }
            (b"HUGE_FROM", Some(0)) => self.knobs.huge_from = usize::MAX,
            (b"HUGE_FROM", Some(mib)) => {
                self.knobs.huge_from = (mib as usize).saturating_mul(1 << 20);
            }
            (b"BACKGROUND", Some(value)) => self.knobs.background = value != 0,
            (b"LIMIT_HARD", Some(value)) => self.knobs.limit_hard = value != 0,
            (b"VERBOSE", Some(value)) => self.knobs.verbose = value != 0,
            (b"ADDRESS", Some(value)) => self.knobs.address = value != 0,
            (b"NAMES", Some(value)) => self.knobs.names = value != 0,
            (b"FREE_FILL", Some(value)) => {
                self.knobs.free_fill = u8::try_from(value).unwrap_or(self.knobs.free_fill);
            }
            (b"QUARANTINE_BYTES", Some(value)) if value <= i64::MAX as u64 => {
                self.knobs.quarantine_bytes = value as usize;
            }
            (b"PROFILE", Some(value)) => self.knobs.profile = value != 0,
            (b"PROFILE_INTERVAL", Some(value)) if (1..=i64::MAX as u64).contains(&value) => {
                self.knobs.profile_interval = value as usize;
            }
            (b"CHECK_STACKS", Some(value)) => {
                self.knobs.check_stacks = (value as usize).min(FRAMES_LIMIT);
            }
            (b"GUARD", Some(value)) if value <= i64::MAX as u64 => {
                self.knobs.guard = value as usize;
            }
            (b"GUARD_REPORT", Some(value)) => self.knobs.guard_report = value != 0,
            (b"PROFILE_STACKS", _) => self.knobs.profile_pointers = value == b"frames",
            (b"QUARANTINE_COUNT", Some(value)) if value <= QUARANTINE_LIMIT => {
                self.knobs.quarantine_count = value as usize;
            }
            _ => {}
        }
    }

    pub(super) const fn finish(mut self) -> Knobs {
        if self.knobs.check == CHECK_HEADERS {
            self.knobs.run_max = 0;
        }
        self.knobs
    }
}
