# What R makes of the figures of this package: the reference that TestR holds it against. It needs r-base-core and
# r-cran-survival:
#
#     Rscript --vanilla trials.R > trials.txt
#
# Each line is a name, the input and the output, with tabs between them: lists of numbers, and "+"
# behind a censored time.

library(survival)

number <- function(x) paste(ifelse(is.na(x), "NA", sprintf("%.17g", x)), collapse = " ")
given <- function(x) paste(x, collapse = " ")
line <- function(name, input, output) cat(name, "\t", input, "\t", number(output), "\n", sep = "")

cat("#", R.version.string, "survival", as.character(packageVersion("survival")), fill = TRUE)

set.seed(20240719, kind = "Mersenne-Twister", normal.kind = "Inversion")
times <- function(n) round(exp(3 + rnorm(n) / 2), 3)

# Means: limits of Student's t at 96 %.
for (n in c(2, 3, 5, 10, 30)) {
  x <- times(n)
  line("t", given(x), t.test(x, conf.level = 0.96)$conf.int)
}

# Its quantiles: degrees of freedom, then those at 0.975, 0.98 and 0.995.
for (df in c(1, 2, 4, 9, 29, 1000)) line("quantile", given(df), qt(c(0.975, 0.98, 0.995), df))

# Shares that are 0 or 1: Clopper and Pearson's limits.
for (case in list(c(1, 3), c(2, 5), c(4, 5), c(3, 10), c(29, 30))) {
  x <- rep(c(1, 0), c(case[1], case[2] - case[1]))
  line("bounded", given(x), binom.test(case[1], case[2])$conf.int)
}

# Shares that all differ: the sum of truncated powers, which is the probability of the weighted mean where no knots
# are equal.
above <- function(t, z) sum(vapply(which(z > t), function(i) (z[i] - t)^(length(z) - 1) / prod(z[i] - z[-i]), 0))
upper <- function(x) {
  z <- c(x, 1)
  uniroot(function(t) above(t, z) - 0.025, range(z), tol = 1e-13)$root
}
for (n in c(3, 4, 5, 6)) {
  x <- sample(1:99, n) / 100
  line("bounded", given(x), c(1 - upper(1 - x), upper(x)))
}

# Order statistics: n, then the largest rank that holds the median in at least 95 % of cases (1 where none does), and
# the level.
for (n in c(5:20, 30, 101)) {
  level <- 1 - 2 * pbinom(seq_len(n %/% 2) - 1, n, 0.5)
  r <- max(1, which(level >= 0.95))
  line("rank", given(n), c(r, level[r]))
}

# Sign flips: all of them.
flips <- function(d) {
  signs <- as.matrix(expand.grid(rep(list(c(1, -1)), length(d))))
  sums <- abs(signs %*% d)
  mean(sums >= abs(sum(d)) - 1e-9)
}
for (n in c(6, 7, 10, 14)) {
  d <- round(rnorm(n, 0.7), 2)
  line("flips", given(d), flips(d))
}
for (d in list(1:6, c(0, 0, 1, 2, 3, 4), c(1, -1, 2, -2, 3, -3), rep(1, 8), rep(0, 6)))
  line("flips", given(d), flips(d))

# Holm's correction.
for (p in list(0.04, c(0.01, 0.04, 0.03), c(0.2, 0.001, 0.03, 0.03, 0.9), c(0.5, 0.6, 0.7))) {
  line("holm", given(p), p.adjust(p, "holm"))
}

# A curve, of times in remission (Freireich 1963): time and survival at each event; the mean restricted to 20 weeks.
mp <- c(6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35)
mp.event <- c(1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
marked <- paste(paste0(mp, ifelse(mp.event == 1, "", "+")), collapse = " ")

fit <- survfit(Surv(mp, mp.event) ~ 1)
s <- summary(fit)
line("kaplan-meier", marked, rbind(s$time, s$surv))
line("restricted-mean", marked, c(20, summary(fit, rmean = 20)$table[["rmean"]]))
