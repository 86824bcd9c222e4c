// SPDX-License-Identifier: Apache-2.0
// program.rs - some Rust with its library's generic code inlined, for comparing symbolizers.
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

trait Shape {
    fn area(&self) -> f64;
}
struct Square(f64);
struct Circle {
    radius: f64,
}
impl Shape for Square {
    fn area(&self) -> f64 {
        self.0 * self.0
    }
}
impl Shape for Circle {
    fn area(&self) -> f64 {
        3.14159 * self.radius.powi(2)
    }
}

mod words {
    pub fn count<'a>(text: &'a str) -> super::BTreeMap<&'a str, usize> {
        let mut m = super::BTreeMap::new();
        for w in text.split_whitespace() {
            *m.entry(w).or_insert(0) += 1;
        }
        m
    }
}

#[inline(never)]
fn generic<T: Ord + Clone>(v: &[T]) -> Vec<T> {
    let mut s = v.to_vec();
    s.sort();
    s.dedup();
    s
}

fn main() {
    let text = std::env::args().collect::<Vec<_>>().join(" ");
    let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Square(2.0)), Box::new(Circle { radius: 1.5 })];
    let mut out = String::new();
    for (i, s) in shapes.iter().enumerate() {
        writeln!(out, "{i} {:.3}", s.area()).unwrap();
    }
    let mut h: HashMap<String, Vec<usize>> = HashMap::new();
    for (w, n) in words::count(&text) {
        h.entry(w.to_uppercase()).or_default().push(n);
    }
    let mut keys: Vec<_> = h.keys().cloned().collect();
    keys = generic(&keys);
    println!("{out}{} {:?} {:?}", keys.join(","), h.values().map(|v| v.len()).sum::<usize>(), generic(&[3, 1, 2]));
}
