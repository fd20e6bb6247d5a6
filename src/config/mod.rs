//! Every setting, its default and its range.
