//! What can be checked while a program runs. Invariant: a check finds fault with a program, and never changes what it does.

/// What is checked while a program runs, on a simulated chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// That every two tasks that touch the same bytes, one of them writing, are ordered by what the program asked for.
    ///
    /// A run that has a race fails with [`Error::Races`](crate::Error::Races), even when the numbers that came out are
    /// right. The chip runs in seeded mode, with seed 0 if none was given. Orders that count are edges by
    /// [`after`](crate::Submit::after) that wait, edges to the creator of a tensor, edges inferred from arguments,
    /// what a host access waited for, and what the first manual scope waits for. Orders that do not count are
    /// those that a run happens to have: that a task had ended when another was submitted, or that a ring was full.
    ///
    /// A view that a kernel takes counts as an access to all of it. What a kernel writes through a pointer is found
    /// if it lies in an argument passed as `input` or `no_dep` and changes it; what it reads so is not. The sub-tasks of
    /// one task are not checked against each other, but for views that they hold at the same time.
    ///
    /// ```
    /// use prewire_chip::{Check, Chip, Core, Error};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).check(Check::Races).build()?;
    /// let raise = chip.kernel("raise", Core::Aiv, |k| {
    ///     k.output::<i32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x += 1);
    ///     Ok(())
    /// })?;
    /// let x = chip.zeros::<i32>(&[8])?;
    /// let run = chip.run(|orch| {
    ///     orch.manual_scope(|orch| {
    ///         orch.submit(&raise).inout(&x).go()?;
    ///         orch.submit(&raise).inout(&x).go()?; // nothing orders it after the first
    ///         Ok(())
    ///     })
    /// });
    /// let Err(Error::Races(report)) = run else { panic!("{run:?}") };
    /// assert_eq!(report.races()[0].bytes, 0..32);
    /// assert!(report.to_string().contains(".after("));
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    Races,
}
