//! The table in a terminal, with keys.

use super::{Arguments, Row, Sample, Sort, cells, sort};
use crate::look::{bytes, number};
use anyhow::Result;
use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row as Shown, Table, TableState};
use std::time::{Duration, Instant};

/// The columns: what the table is sorted by, its key, its head, its width.
const COLUMNS: [(Option<Sort>, char, &str, u16); 11] = [
    (Some(Sort::Pid), 'p', "pid", 9),
    (None, ' ', "program", 16),
    (Some(Sort::Resident), 'r', "resident", 11),
    (Some(Sort::Live), 'l', "live", 11),
    (Some(Sort::Free), 'f', "free", 11),
    (Some(Sort::Cached), 'c', "cached", 11),
    (Some(Sort::Growth), 'g', "growth/s", 13),
    (None, ' ', "arenas", 7),
    (None, ' ', "mapped", 8),
    (Some(Sort::Faults), 'a', "faults/s", 10),
    (Some(Sort::Purged), 'u', "purged/s", 11),
];
/// Lines of the detail, its border included, at most.
const DETAIL: u16 = 12;
/// The bottom line.
const KEYS: &str = " q quit   up, down choose   enter detail   sort: p pid r resident l live f free c cached g growth a faults u purged";

/// What is on the screen.
struct Screen {
    rows: Vec<Row>,
    by: Sort,
    /// The process that is chosen; its place may change each second.
    chosen: Option<i32>,
    detail: bool,
    table: TableState,
}

/// What a key leads to.
#[derive(PartialEq, Eq)]
enum Next {
    Draw,
    Wait,
    End,
}

/// Shows the table until the user ends it, there were enough, or the process that was asked for ended.
///
/// # Errors
/// The first look fails, or the terminal is gone.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut sample = Sample::default();
    // What is wrong with it is said before the screen is taken.
    let Some(rows) = sample.take(arguments)? else {
        return Ok(());
    };
    let mut terminal = ratatui::try_init()?;
    let mut screen = Screen {
        rows,
        by: arguments.sort,
        chosen: arguments.pid,
        detail: arguments.pid.is_some(),
        table: TableState::default(),
    };
    let done = screen.show(&mut terminal, arguments, &mut sample);
    ratatui::restore();
    done
}

impl Screen {
    fn show(
        &mut self,
        terminal: &mut DefaultTerminal,
        arguments: &Arguments,
        sample: &mut Sample,
    ) -> Result<()> {
        let mut shown = 0;
        loop {
            let until = Instant::now() + Duration::from_secs_f64(arguments.interval);
            self.draw(terminal)?;
            shown += 1;
            if arguments.count.is_some_and(|count| shown >= count) {
                return Ok(());
            }
            while let Some(left) = until.checked_duration_since(Instant::now()) {
                if !event::poll(left)? {
                    break;
                }
                match self.take(&event::read()?) {
                    Next::End => return Ok(()),
                    Next::Draw => self.draw(terminal)?,
                    Next::Wait => {}
                }
            }
            match sample.take(arguments)? {
                Some(rows) => self.rows = rows,
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, event: &Event) -> Next {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.press(*key),
            Event::Resize(..) => Next::Draw,
            _ => Next::Wait,
        }
    }

    fn press(&mut self, key: KeyEvent) -> Next {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Next::End,
            KeyCode::Char('c') if control => return Next::End,
            KeyCode::Up => self.step(-1),
            KeyCode::Down => self.step(1),
            KeyCode::Enter => {
                self.detail = !self.detail;
                if self.chosen.is_none() {
                    self.step(0);
                }
            }
            KeyCode::Char(key) => {
                let by = COLUMNS.iter().find(|column| column.1 == key && key != ' ');
                match by.and_then(|column| column.0) {
                    Some(by) => self.by = by,
                    None => return Next::Wait,
                }
            }
            _ => return Next::Wait,
        }
        Next::Draw
    }

    /// Where the chosen process stands.
    fn place(&self) -> Option<usize> {
        let chosen = self.chosen?;
        self.rows.iter().position(|row| row.now.pid == chosen)
    }

    /// Chooses the process so many lines further down.
    fn step(&mut self, by: isize) {
        sort(&mut self.rows, self.by);
        let last = self.rows.len().saturating_sub(1);
        let place = match self.place() {
            Some(place) => place.saturating_add_signed(by).min(last),
            None => 0,
        };
        self.chosen = self.rows.get(place).map(|row| row.now.pid);
    }

    fn draw(&mut self, terminal: &mut DefaultTerminal) -> Result<()> {
        sort(&mut self.rows, self.by);
        self.table.select(self.place());
        terminal.draw(|frame| self.paint(frame))?;
        Ok(())
    }

    fn paint(&mut self, frame: &mut Frame<'_>) {
        let detail = match self.place().and_then(|place| self.rows.get(place)) {
            Some(row) if self.detail => detail(row),
            _ => Vec::new(),
        };
        let lines = match detail.len() {
            0 => 0,
            n => u16::try_from(n + 2).unwrap_or(DETAIL).min(DETAIL),
        };
        let parts = [
            Constraint::Min(2),
            Constraint::Length(lines),
            Constraint::Length(1),
        ];
        let [table, below, keys] = Layout::vertical(parts).areas(frame.area());
        self.paint_table(frame, table);
        if lines != 0 {
            let text: Vec<Line<'_>> = detail.into_iter().map(Line::from).collect();
            let block = Block::default().borders(Borders::ALL);
            frame.render_widget(Paragraph::new(text).block(block), below);
        }
        let style = Style::default().add_modifier(Modifier::DIM);
        frame.render_widget(Paragraph::new(KEYS).style(style), keys);
    }

    fn paint_table(&mut self, frame: &mut Frame<'_>, area: Rect) {
        if self.rows.is_empty() {
            let text = "no process on Cairn that we may look at";
            return frame.render_widget(Paragraph::new(text), area);
        }
        let head = COLUMNS.map(|(by, _, name, width)| {
            let text = place(name, by.is_none() && name == "program", width);
            let is_by = by == Some(self.by);
            let style = if is_by {
                Style::default().add_modifier(Modifier::REVERSED | Modifier::BOLD)
            } else {
                Style::default().add_modifier(Modifier::BOLD)
            };
            Cell::from(text).style(style)
        });
        let rows = self.rows.iter().map(|row| {
            let cells = cells(row);
            let shown = cells.into_iter().zip(COLUMNS);
            Shown::new(shown.map(|(text, column)| place(&text, column.2 == "program", column.3)))
        });
        let widths = COLUMNS.map(|column| Constraint::Length(column.3));
        let table = Table::new(rows, widths)
            .header(Shown::new(head))
            .column_spacing(1)
            .row_highlight_style(Style::default().add_modifier(Modifier::REVERSED));
        frame.render_stateful_widget(table, area, &mut self.table);
    }
}

/// A text at its end of a column.
fn place(text: &str, left: bool, width: u16) -> String {
    let width = usize::from(width);
    if left {
        format!("{text:<width$}")
    } else {
        format!("{text:>width$}")
    }
}

/// More about one process.
fn detail(row: &Row) -> Vec<String> {
    let now = &row.now;
    let mut all = vec![format!(
        "process {} ({}): {} thread caches, {} of tables, {} in {} mappings of their own, faults {} minor, {} major",
        now.pid,
        now.command,
        number(now.caches),
        bytes(now.tables),
        bytes(now.mapped),
        number(now.mapped_chunks),
        number(now.faults.0),
        number(now.faults.1),
    )];
    all.extend(now.arenas.iter().map(|arena| {
        format!(
            "arena {}{}: {} threads, {} from the system: {} live, {} in free chunks, {} free in slots, {} top, {} waiting, {} cached",
            arena.index,
            arena.own.as_ref().map_or(String::new(), |own| format!(" (\"{}\")", own.name)),
            number(arena.threads),
            bytes(arena.system),
            bytes(arena.live),
            bytes(arena.binned),
            bytes(arena.slots),
            bytes(arena.top),
            bytes(arena.waiting),
            bytes(arena.cached),
        )
    }));
    all
}
