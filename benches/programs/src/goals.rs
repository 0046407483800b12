//! What was aimed at, and whether it was reached.

use launch::libraries::{CAIRN, GLIBC};
use launch::runs::{Cost, Figure};

use crate::manifest::Group;
use crate::probes;
use crate::results::{Measured, Results};
use crate::table;

/// A goal beside what was measured.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// What is looked at.
    pub what: String,
    /// What it should be.
    pub goal: String,
    /// What it is.
    pub figure: String,
    /// `None` where nothing was measured.
    pub met: Option<bool>,
}

/// The workload in which 100 threads share the CPUs.
const CROWD: &str = "crowd";
/// Half of the last digit shown: 1.00 stands for no slower.
const ROUNDING: f64 = 0.005;

fn cpu(cost: &Cost) -> f64 {
    cost.cpu
}

fn peak(cost: &Cost) -> f64 {
    cost.peak_kib
}

/// A limit for one figure.
fn at_most(what: &str, limit: f64, unit: &str, figure: Option<f64>, digits: usize) -> Goal {
    Goal {
        what: what.to_owned(),
        goal: format!("at most {limit}{unit}"),
        figure: figure.map_or_else(
            || "not measured".to_owned(),
            |figure| format!("{figure:.digits$}{unit}"),
        ),
        met: figure.map(|figure| figure <= limit),
    }
}

/// A limit for every workload; names those above it.
fn every(
    what: &str,
    limit: f64,
    of: &str,
    results: &Results,
    figure: impl Fn(&Measured) -> Option<(f64, String)>,
) -> Goal {
    let mut above: Vec<(f64, String)> = Vec::new();
    let mut seen = 0;
    for workload in &results.workloads {
        if let Some((ratio, remark)) = figure(workload) {
            seen += 1;
            if ratio > limit + ROUNDING {
                above.push((ratio, format!("{} {ratio:.2}{remark}", workload.runs.name)));
            }
        }
    }
    above.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<String> = above.into_iter().map(|(_, name)| name).collect();
    Goal {
        what: what.to_owned(),
        goal: format!("at most {limit:.2} × {of}"),
        figure: match (seen, names.is_empty()) {
            (0, _) => "not measured".to_owned(),
            (_, true) => format!("all of {seen}"),
            (_, false) => format!("{} of {seen} above: {}", names.len(), names.join(", ")),
        },
        met: (seen > 0).then_some(names.is_empty()),
    }
}

/// The lowest of a figure among the peers, glibc with them.
fn best(results: &Results, figure: impl Fn(&str) -> Option<f64>) -> Option<(f64, String)> {
    results
        .names()
        .filter(|name| *name != CAIRN)
        .filter_map(|name| Some((figure(name)?, name.to_owned())))
        .min_by(|a, b| a.0.total_cmp(&b.0))
}

/// The goal for a geometric mean of CPU time.
fn mean_time(results: &Results, title: &str, chosen: &dyn Fn(&Measured) -> bool) -> Goal {
    const LIMIT: f64 = 0.93;
    let own = results.mean(CAIRN, cpu, chosen);
    let fastest = best(results, |name| results.mean(name, cpu, chosen));
    let (figure, met) = match (own, fastest) {
        (Some(own), Some((fastest, name))) => (
            format!("{own:.3} to {name}'s {fastest:.3}: {:.2}", own / fastest),
            Some(own / fastest <= LIMIT),
        ),
        _ => ("not measured".to_owned(), None),
    };
    Goal {
        what: format!("CPU time, geometric mean, {title}"),
        goal: format!("at most {LIMIT} × the fastest peer's"),
        figure,
        met,
    }
}

/// All goals, in the order of the issue.
pub(crate) fn all(results: &Results) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (size, limit) in [
        ("16", 48.0),
        ("64", 48.0),
        ("128", 48.0),
        ("200", 48.0),
        ("512", 48.0),
        ("2000", 80.0),
    ] {
        let figure = results
            .instructions
            .get(size)
            .and_then(|row| row.get(CAIRN))
            .copied();
        goals.push(at_most(
            &format!("instructions of a hot pair, {size} bytes"),
            limit,
            "",
            figure,
            1,
        ));
    }

    goals.push(mean_time(results, "all", &|_| true));
    for group in Group::ALL {
        goals.push(mean_time(
            results,
            group.name(),
            &move |workload: &Measured| workload.group == group,
        ));
    }
    let ratio = |workload: &Measured, figure: Figure| Some(workload.ratio(CAIRN, figure)?.median);
    goals.push(every(
        "CPU time of any workload",
        1.10,
        "the fastest peer's on it",
        results,
        |workload| {
            let (fastest, name) = best(results, |name| Some(workload.ratio(name, cpu)?.median))?;
            Some((ratio(workload, cpu)? / fastest, format!(" ({name})")))
        },
    ));
    goals.push(every(
        "CPU time of any workload",
        1.00,
        "glibc's",
        results,
        |workload| Some((ratio(workload, cpu)?, String::new())),
    ));

    let mean = |chosen: &dyn Fn(&Measured) -> bool| results.mean(CAIRN, peak, chosen);
    goals.push(at_most(
        "peak memory, geometric mean, all",
        0.95,
        " × glibc's",
        mean(&|_| true),
        3,
    ));
    goals.push(at_most(
        "peak memory, geometric mean, above 10 MiB",
        0.90,
        " × glibc's",
        mean(&table::is_substantial),
        3,
    ));
    goals.push(every(
        "peak memory of any workload",
        1.15,
        "glibc's",
        results,
        |workload| Some((ratio(workload, peak)?, String::new())),
    ));
    goals.push(every(
        "peak memory of any real program",
        1.10,
        "glibc's",
        results,
        |workload| {
            (workload.group == Group::Real).then_some(())?;
            Some((ratio(workload, peak)?, String::new()))
        },
    ));

    let cairn = |name: &str| results.probe(name, CAIRN);
    let glibc = |name: &str| results.probe(name, GLIBC);
    let above = |name: &str| Some(cairn(name)? - glibc(name)?);
    goals.push(at_most(probes::LOCAL, 1.3, "", cairn(probes::LOCAL), 2));
    goals.push(Goal {
        what: probes::SCATTERED.to_owned(),
        goal: "at most glibc's after `malloc_trim(0)`".to_owned(),
        ..against(cairn(probes::SCATTERED), glibc(probes::TRIMMED))
    });
    goals.push(at_most(
        probes::SHIFTING,
        2.0,
        "",
        cairn(probes::SHIFTING),
        2,
    ));
    goals.push(at_most(
        "a process that hardly allocates, above glibc's",
        100.0,
        " KiB",
        above(probes::LEAN),
        0,
    ));
    goals.push(at_most(
        "start of a process, above glibc's",
        50.0,
        " µs",
        above(probes::START),
        0,
    ));
    let crowd = |figure: Figure| {
        results
            .workloads
            .iter()
            .find(|workload| workload.runs.name == CROWD)
            .and_then(|workload| ratio(workload, figure))
    };
    goals.push(at_most(
        "100 threads, CPU time",
        0.8,
        " × glibc's",
        crowd(cpu),
        2,
    ));
    goals.push(at_most(
        "100 threads, peak memory",
        1.0,
        " × glibc's",
        crowd(peak),
        2,
    ));
    goals.push(Goal {
        what: probes::TAIL.to_owned(),
        goal: "below glibc's".to_owned(),
        ..against(cairn(probes::TAIL), glibc(probes::TAIL))
    });
    goals.push(at_most(
        probes::LONGEST,
        500.0,
        "",
        cairn(probes::LONGEST),
        0,
    ));
    goals.push(at_most(
        probes::LOCKS_SMALL,
        20.0,
        "",
        cairn(probes::LOCKS_SMALL),
        1,
    ));
    goals.push(at_most(
        probes::LOCKS_MEDIUM,
        130.0,
        "",
        cairn(probes::LOCKS_MEDIUM),
        1,
    ));
    goals
}

/// A figure of Cairn's that glibc's limits.
fn against(cairn: Option<f64>, glibc: Option<f64>) -> Goal {
    let (figure, met) = match (cairn, glibc) {
        (Some(cairn), Some(glibc)) => (format!("{cairn:.0} to {glibc:.0}"), Some(cairn <= glibc)),
        _ => ("not measured".to_owned(), None),
    };
    Goal {
        what: String::new(),
        goal: String::new(),
        figure,
        met,
    }
}

/// `met`, `not reached`, or nothing.
pub(crate) fn verdict(goal: &Goal) -> &'static str {
    match goal.met {
        Some(true) => "met",
        Some(false) => "not reached",
        None => "–",
    }
}

#[cfg(test)]
mod tests {
    use super::{all, every};
    use launch::libraries::{CAIRN, Described, GLIBC};
    use launch::runs::{Cost, Runs};

    use crate::manifest::Group;
    use crate::results::{Measured, Results};

    fn workload(name: &str, seconds: &[(&str, f64)]) -> Measured {
        let cost = |cpu: f64| Cost {
            cpu,
            wall: cpu,
            peak_kib: 1000.0 * cpu,
            final_kib: 1.0,
            faults: 1.0,
        };
        Measured {
            group: Group::Small,
            runs: Runs {
                costs: seconds
                    .iter()
                    .map(|&(library, cpu)| (library.to_owned(), vec![cost(cpu); 3]))
                    .collect(),
                ..Runs::of(name)
            },
        }
    }

    fn results(workloads: Vec<Measured>) -> Results {
        let described = |name: &str| Described {
            name: name.to_owned(),
            file: String::new(),
            version: String::new(),
        };
        Results {
            workloads,
            libraries: [GLIBC, CAIRN, "peer"].map(described).to_vec(),
            ..Results::default()
        }
    }

    #[test]
    fn a_goal_is_held_against_the_fastest_peer_and_names_what_is_above() {
        let results = results(vec![
            workload("quick", &[(GLIBC, 1.0), (CAIRN, 0.5), ("peer", 0.6)]),
            workload("slow", &[(GLIBC, 1.0), (CAIRN, 0.9), ("peer", 0.6)]),
        ]);
        let goals = all(&results);
        let by_name = |what: &str| {
            goals
                .iter()
                .find(|goal| goal.what == what)
                .map(|goal| (goal.figure.clone(), goal.met))
        };
        // sqrt(0.45) / 0.6 = 1.118
        assert_eq!(
            by_name("CPU time, geometric mean, all"),
            Some(("0.671 to peer's 0.600: 1.12".to_owned(), Some(false)))
        );
        assert_eq!(
            by_name("CPU time of any workload"),
            Some(("1 of 2 above: slow 1.50 (peer)".to_owned(), Some(false)))
        );
        assert_eq!(
            by_name("peak memory of any workload"),
            Some(("all of 2".to_owned(), Some(true)))
        );
        assert_eq!(
            by_name("100 threads, CPU time"),
            Some(("not measured".to_owned(), None))
        );
    }

    #[test]
    fn the_last_digit_decides_only_what_it_shows() {
        let results = results(vec![workload("edge", &[(GLIBC, 1.0), (CAIRN, 1.004)])]);
        let goal = |limit| {
            every("", limit, "", &results, |w| {
                Some((w.ratio(CAIRN, |cost| cost.cpu)?.median, String::new()))
            })
        };
        assert_eq!(goal(1.00).met, Some(true));
        assert_eq!(goal(0.99).met, Some(false));
    }
}
