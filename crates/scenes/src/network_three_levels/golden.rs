//! The golden of the scene: each element is squared, and gets the number that says which way it went.

/// The numbers of the ways, in the order of the elements: by what the top splits, then a half each for what is below.
const WAYS: [f64; 4] = [111.0, 112.0, 121.0, 211.0];

/// What the elements must be: the first half goes to the first branch, which gives half of that to a node with two chips
/// and half to one with one, and the second half all the way to the only chip of the other branch.
pub(crate) fn squares(x: &[f32]) -> Vec<f64> {
    let eighth = x.len() / 8;
    let ends = [eighth, 2 * eighth, 4 * eighth, 8 * eighth];
    let mut squares = Vec::new();
    for (index, &x) in x.iter().enumerate() {
        let way = ends.iter().take_while(|end| index >= **end).count();
        squares.push(f64::from(x) * f64::from(x) + WAYS[way]);
    }
    squares
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        let got = super::squares(&[2.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 3.0]);
        assert_eq!(got, [115.0, 113.0, 121.0, 121.0, 212.0, 212.0, 211.0, 220.0]);
    }
}
