package value

// MaxHistory bounds Config.History: the values kept may be 1 MiB each.
const MaxHistory = 1024
