//! What a cube core does with a tile: load it into its own memory, multiply there, store it. Tensor memory is touched
//! only through the views that a kernel is given.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2};
use prewire::prelude::{Element, KernelError, View, ViewMut, bf16};

/// An element that a cube core takes as an operand.
pub(crate) trait Operand: Element {
    /// Appends `row`, as `f32`.
    fn load(row: &[Self], into: &mut Vec<f32>);
}

impl Operand for f32 {
    fn load(row: &[Self], into: &mut Vec<f32>) {
        into.extend_from_slice(row);
    }
}

impl Operand for bf16 {
    fn load(row: &[Self], into: &mut Vec<f32>) {
        into.extend(row.iter().map(|x| x.to_f32()));
    }
}

/// Loads a view as a matrix: its innermost dimension is the columns, all others are the rows.
///
/// # Errors
///
/// The innermost dimension is not packed.
pub(crate) fn load<T: Operand>(view: &View<'_, T>) -> Result<Array2<f32>, KernelError> {
    let columns = view.shape().last().map_or(0, |&n| n as usize);
    let rows = view.rows();
    let mut elements = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        T::load(view.row(row)?, &mut elements);
    }
    Array2::from_shape_vec((rows, columns), elements)
        .map_err(|e| KernelError::new(format!("load a tile: {e}")))
}

/// `a` times `b`.
///
/// # Errors
///
/// The columns of `a` are not as many as the rows of `b`.
pub(crate) fn multiply(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<Array2<f32>, KernelError> {
    if a.ncols() != b.nrows() {
        return Err(KernelError::new(format!(
            "multiply a {}x{} tile by a {}x{} tile: the inner sizes must be equal",
            a.nrows(),
            a.ncols(),
            b.nrows(),
            b.ncols()
        )));
    }
    let mut product = Array2::zeros((a.nrows(), b.ncols()));
    general_mat_mul(1.0, &a, &b, 0.0, &mut product);
    Ok(product)
}

/// Stores a matrix into a view of as many rows and columns.
///
/// # Errors
///
/// The sizes differ, or the innermost dimension of the view is not packed.
pub(crate) fn store(matrix: &Array2<f32>, view: &mut ViewMut<'_, f32>) -> Result<(), KernelError> {
    let columns = view.shape().last().map_or(0, |&n| n as usize);
    let rows = view.rows();
    if matrix.dim() != (rows, columns) {
        return Err(KernelError::new(format!(
            "store a {}x{} tile into a view of {rows}x{columns}",
            matrix.nrows(),
            matrix.ncols()
        )));
    }
    for (row, elements) in matrix.rows().into_iter().enumerate() {
        for (to, from) in view.row_mut(row)?.iter_mut().zip(elements) {
            *to = *from;
        }
    }
    Ok(())
}
