//! Submit, scopes, hazards to edges: wires a task before it is published.
