//! Plots, as SVG.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::libraries::{CAIRN, GLIBC};
use crate::statistics::Spread;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
/// Of the peers, in their order; Cairn and glibc have their own.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0x17, 0xbe, 0xcf),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0xe3, 0x77, 0xc2),
    RGBColor(0xbc, 0xbd, 0x22),
    RGBColor(0x39, 0x3b, 0x79),
    RGBColor(0x63, 0x79, 0x39),
];
const CAIRN_COLOUR: RGBColor = RGBColor(0xd6, 0x27, 0x28);
const GLIBC_COLOUR: RGBColor = RGBColor(0x7f, 0x7f, 0x7f);

/// The colour of one of these libraries.
fn colour(names: &[&str], library: &str) -> RGBColor {
    match library {
        CAIRN => CAIRN_COLOUR,
        GLIBC => GLIBC_COLOUR,
        _ => {
            let mut peers = names.iter().filter(|name| ![GLIBC, CAIRN].contains(name));
            let at = peers.position(|name| *name == library).unwrap_or(0);
            COLOURS.get(at % COLOURS.len()).copied().unwrap_or(BLACK)
        }
    }
}

/// Time and memory of a library, relative to what all are compared to.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// The library.
    pub name: &'a str,
    /// CPU time.
    pub time: f64,
    /// Peak memory.
    pub memory: f64,
}

/// One group of bars.
#[derive(Clone, Debug)]
pub struct Row {
    /// Stands to its left.
    pub name: String,
    /// A ratio for each library, where there is one. A line goes from its lower to its upper end.
    pub ratios: Vec<Option<Spread>>,
}

/// The range of some ratios, with room around it.
fn range(values: impl Iterator<Item = f64>, room: f64) -> (f64, f64) {
    let (mut low, mut high) = (1.0_f64, 1.0_f64);
    for value in values {
        low = low.min(value);
        high = high.max(value);
    }
    (low / room, high * room)
}

/// Ratios that are marked on a scale, and those on one that is not long.
const COARSE: [f64; 14] = [
    0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];
const FINE: [f64; 13] = [
    0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0,
];

/// The marks of a scale between two ratios.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let all = if high / low < 2.5 { &FINE[..] } else { &COARSE };
    let is_there = |mark: &f64| (low..=high).contains(mark);
    all.iter().copied().filter(is_there).collect()
}

/// Time against memory: one point for each library. `false` if there is none, and then no file.
///
/// # Errors
/// When the file cannot be written.
pub fn points(file: &Path, caption: &str, points: &[Point<'_>]) -> Result<bool> {
    if points.is_empty() {
        return Ok(false);
    }
    let names: Vec<&str> = points.iter().map(|point| point.name).collect();
    let (left, right) = range(points.iter().map(|point| point.time), 1.12);
    let (bottom, top) = range(points.iter().map(|point| point.memory), 1.12);
    let area = SVGBackend::new(file, (760, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, (FONT, 17))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(54)
        .build_cartesian_2d(
            (left..right)
                .log_scale()
                .with_key_points(marks(left, right)),
            (bottom..top)
                .log_scale()
                .with_key_points(marks(bottom, top)),
        )?;
    let label = |value: &f64| format!("{value:.2}");
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("CPU time (left is faster)")
        .y_desc("peak memory (down is leaner)")
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .draw()?;
    // The lines of what all are compared to part what is better from what is worse.
    for line in [[(1.0, bottom), (1.0, top)], [(left, 1.0), (right, 1.0)]] {
        chart.draw_series(LineSeries::new(line, GLIBC_COLOUR.mix(0.6)))?;
    }
    let labels = apart(points, (left, right), (bottom, top));
    for (point, shift) in points.iter().zip(labels) {
        let colour = colour(&names, point.name);
        let size = if point.name == CAIRN { 7 } else { 5 };
        chart.draw_series(PointSeries::of_element(
            [(point.time, point.memory)],
            size,
            &colour,
            &|at, size, style| {
                EmptyElement::at(at)
                    + Circle::new((0, 0), size, style.filled())
                    + Text::new(
                        point.name.to_owned(),
                        (9, shift - 6),
                        (FONT, 14).into_font().color(&colour),
                    )
            },
        ))?;
    }
    area.present()?;
    Ok(true)
}

/// One library's curve.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The library.
    pub name: &'a str,
    /// From left to right.
    pub points: &'a [(f64, f64)],
}

/// Curves over the same ground, one for each library. `false` if there is nothing to draw, and then
/// no file.
///
/// # Errors
/// When the file cannot be written.
pub fn lines(
    file: &Path,
    caption: &str,
    across: &str,
    upwards: &str,
    lines: &[Line<'_>],
) -> Result<bool> {
    let points = || lines.iter().flat_map(|line| line.points);
    let right = points().map(|(x, _)| *x).fold(0.0, f64::max);
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max);
    if right <= 0.0 || top <= 0.0 {
        return Ok(false);
    }
    let names: Vec<&str> = lines.iter().map(|line| line.name).collect();
    let area = SVGBackend::new(file, (860, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    area.draw(&Text::new(caption.to_owned(), (10, 8), (FONT, 17)))?;
    legend(&area, &names)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_top(60)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..right, 0.0..top * 1.05)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(across)
        .y_desc(upwards)
        .draw()?;
    for line in lines {
        let colour = colour(&names, line.name);
        chart.draw_series(LineSeries::new(line.points.iter().copied(), colour))?;
    }
    area.present()?;
    Ok(true)
}

/// How far each label is moved down so that none covers another, pixels.
fn apart(points: &[Point<'_>], x: (f64, f64), y: (f64, f64)) -> Vec<i32> {
    /// Width of the longest label and height of a line.
    const LABEL: (f64, f64) = (95.0, 14.0);
    let place = |value: f64, (low, high): (f64, f64), pixels: f64| {
        (value / low).ln() / (high / low).ln() * pixels
    };
    let mut taken: Vec<(f64, f64)> = Vec::new();
    let mut order: Vec<usize> = (0..points.len()).collect();
    let height = |at: usize| {
        points
            .get(at)
            .map_or(0.0, |point| -place(point.memory, y, 420.0))
    };
    order.sort_by(|&a, &b| height(a).total_cmp(&height(b)));
    let mut shifts = vec![0; points.len()];
    for at in order {
        let Some(point) = points.get(at) else {
            continue;
        };
        let left = place(point.time, x, 670.0);
        let mut top = height(at);
        while taken
            .iter()
            .any(|other| (other.0 - left).abs() < LABEL.0 && (other.1 - top).abs() < LABEL.1)
        {
            top += 1.0;
        }
        taken.push((left, top));
        if let Some(shift) = shifts.get_mut(at) {
            #[expect(clippy::cast_possible_truncation, reason = "pixels of one picture")]
            let pixels = (top - height(at)) as i32;
            *shift = pixels;
        }
    }
    shifts
}

/// A group of bars for each row, a bar for each library, on a logarithmic scale around 1. `false` if
/// there is nothing to draw, and then no file.
///
/// # Errors
/// When the file cannot be written.
pub fn bars(file: &Path, title: &str, libraries: &[&str], rows: &[Row]) -> Result<bool> {
    const BAR: i32 = 7;
    const GAP: i32 = 12;
    const LEFT: i32 = 130;
    const WIDTH: i32 = 900;
    const TOP: i32 = 74;
    if rows.is_empty() || libraries.is_empty() {
        return Ok(false);
    }
    let ratios = rows.iter().flat_map(|row| row.ratios.iter().flatten());
    let (low, high) = range(ratios.flat_map(|ratio| [ratio.low, ratio.high]), 1.05);
    let count = |length: usize| i32::try_from(length).unwrap_or(0);
    let block = BAR * count(libraries.len()) + GAP;
    let height = TOP + block * count(rows.len()) + 20;
    let size = (u32::try_from(WIDTH + 20)?, u32::try_from(height)?);
    let area = SVGBackend::new(file, size).into_drawing_area();
    area.fill(&WHITE)?;
    #[expect(clippy::cast_possible_truncation, reason = "pixels of one picture")]
    let x = |ratio: f64| {
        LEFT + ((ratio / low).ln() / (high / low).ln() * f64::from(WIDTH - LEFT)) as i32
    };

    area.draw(&Text::new(title.to_owned(), (10, 8), (FONT, 17)))?;
    legend(&area, libraries)?;
    for mark in COARSE {
        if (low..=high).contains(&mark) {
            let colour = if (mark - 1.0_f64).abs() < f64::EPSILON {
                GLIBC_COLOUR
            } else {
                RGBColor(0xe0, 0xe0, 0xe0)
            };
            area.draw(&PathElement::new(
                [(x(mark), TOP - 4), (x(mark), height - 16)],
                colour,
            ))?;
            area.draw(&Text::new(
                format!("{mark}"),
                (x(mark) - 8, height - 14),
                (FONT, 12),
            ))?;
        }
    }
    for (at, row) in rows.iter().enumerate() {
        let top = TOP + block * count(at);
        let middle = top + block / 2 - 12;
        area.draw(&Text::new(row.name.clone(), (6, middle), (FONT, 13)))?;
        for (line, (name, ratio)) in libraries.iter().zip(&row.ratios).enumerate() {
            let Some(ratio) = ratio else {
                continue;
            };
            let y = top + BAR * count(line);
            let end = x(ratio.median);
            let (from, to) = (x(1.0).min(end), x(1.0).max(end).max(x(1.0) + 1));
            area.draw(&Rectangle::new(
                [(from, y), (to, y + BAR - 1)],
                colour(libraries, name).filled(),
            ))?;
            if ratio.width() > 1.0 {
                let y = y + BAR / 2 - 1;
                area.draw(&Rectangle::new(
                    [(x(ratio.low), y), (x(ratio.high), y + 1)],
                    BLACK.filled(),
                ))?;
            }
        }
    }
    area.present()?;
    Ok(true)
}

fn legend(area: &Area<'_>, libraries: &[&str]) -> Result<()> {
    let mut left = 10;
    for name in libraries {
        area.draw(&Rectangle::new(
            [(left, 40), (left + 10, 50)],
            colour(libraries, name).filled(),
        ))?;
        area.draw(&Text::new((*name).to_owned(), (left + 14, 38), (FONT, 13)))?;
        left += 30 + 7 * i32::try_from(name.len())?;
    }
    Ok(())
}
