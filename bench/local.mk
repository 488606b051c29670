# The load generator and the reference loops it is measured against.
