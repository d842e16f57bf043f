//! Files that are damaged, cut off, or made by somebody who means harm.
