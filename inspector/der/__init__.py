"""A small DER reader that still sees names, dates and extensions where a strict parser gives up."""
