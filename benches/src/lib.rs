//! Work that both kinds of measurement share: guests, tables, a zone with a server, and the table of figures.
