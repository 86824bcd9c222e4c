// SPDX-License-Identifier: Apache-2.0

//! work - sorting with closures, maps and formatting. Argument: seconds.
use std::collections::HashMap;
use std::time::{Duration, Instant};

fn recurse(n: u32, s: &str) -> usize {
    if n == 0 {
        return s.len();
    }
    recurse(n - 1, &format!("{}{}", n, &s[..s.len().min(20)])) + 1
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut total = 0;
    while Instant::now() < end {
        let mut v: Vec<String> = (0..2000u32).map(|i| format!("k{}", i.wrapping_mul(7919) % 2003)).collect();
        v.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| b.cmp(a)));
        let mut m: HashMap<&str, usize> = HashMap::new();
        for s in &v {
            *m.entry(s).or_default() += 1;
        }
        total += m.len() + recurse(30, "start");
    }
    std::process::exit((total == 0) as i32);
}
