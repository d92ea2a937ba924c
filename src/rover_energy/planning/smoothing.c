/* The elastic band: control points of a uniform cubic B-spline moved to the least cost of driving along it.
 *
 * Sum of squares, minimised by Gauss-Newton with Levenberg-Marquardt damping (Marquardt 1963, doi:10.1137/0111030) on a banded
 * system. Residuals: per sample the cost, hinges at the limits; and per segment the third derivative. The cost c |P'| is no
 * square; each step uses the bound c (|P'|^2 / w + w) / 2 with w the present |P'|, which touches it there, so that whatever
 * lowers the bound lowers the cost (majorisation; Hunter & Lange 2004, doi:10.1198/0003130042836). */

#define LOCAL 8      /* coordinates of the four control points of a segment */
#define BAND 9       /* half bandwidth of the normal equations plus one */
#define RESIDUALS 8
#define ROUNDING 0.03 /* of the curvature limit: within it the cost of turning is rounded off, for it has a kink at zero */

typedef struct {
    int64_t segments, samples, iterations; /* samples: per segment */
    double scale;                          /* expected cost of the whole path: puts the weights into proportion */
    double hinge, smoothness;              /* weights */
    double curvature, tan_slope, tan_tilt, clearance; /* where the hinges begin */
    double length;                         /* reference segment length, m */
    double start[3], goal[3];
    double least_power;                    /* the supply counts as this much where it is less, W */
} Band;

typedef struct { double iterations, objective, accepted; } BandAnswer;

/* Control points (segments + 3) from the free variables: tangent length and second derivative at either end, and the control
 * points between. The end positions and tangent directions hold by construction. */
static void controls(const Band *b, const double *z, double *c) {
    int64_t n = b->segments;
    for (int end = 0; end < 2; end++) {
        const double *pose = end ? b->goal : b->start, *v = end ? z + 3 + 2 * (n - 3) : z;
        double t[2] = {cos(pose[2]), sin(pose[2])};
        for (int a = 0; a < 2; a++) {
            double *before = c + 2 * (end ? n : 0) + a;
            before[0] = pose[a] - v[0] * t[a] + v[1 + a] / 3.0;
            before[2] = pose[a] - v[1 + a] / 6.0;
            before[4] = pose[a] + v[0] * t[a] + v[1 + a] / 3.0;
        }
    }
    memcpy(c + 6, z + 3, (size_t)(2 * (n - 3)) * sizeof *c);
}

/* Free variables that coordinate `k` of the control points depends on, and how; their number. */
static int dependence(const Band *b, int64_t k, int64_t *index, double *factor) {
    int64_t point = k / 2, axis = k % 2, n = b->segments;
    if (point > 2 && point < n) {
        index[0] = 3 + k - 6;
        factor[0] = 1.0;
        return 1;
    }
    int end = point >= n;
    const double *pose = end ? b->goal : b->start;
    int64_t first = end ? 3 + 2 * (n - 3) : 0, place = end ? point - n : point;
    index[0] = first;
    factor[0] = (double)(place - 1) * (axis ? sin(pose[2]) : cos(pose[2]));
    index[1] = first + 1 + axis;
    factor[1] = place == 1 ? -1.0 / 6.0 : 1.0 / 3.0;
    return 2;
}

static void basis(double u, double w[3][4]) {
    double v = 1.0 - u;
    double a[3][4] = {
        {v * v * v / 6.0, (4.0 + u * u * (3.0 * u - 6.0)) / 6.0, (4.0 + v * v * (3.0 * v - 6.0)) / 6.0, u * u * u / 6.0},
        {-0.5 * v * v, u * (1.5 * u - 2.0), -v * (1.5 * v - 2.0), 0.5 * u * u},
        {v, 3.0 * u - 2.0, 3.0 * v - 2.0, u}};
    memcpy(w, a, sizeof a);
}

/* One sample: residuals r and, if asked, their derivatives with respect to P, P', P'' (two each) in d; their number, -1 off the
 * map. The cost is one residual without derivatives, three with. */
static int sample(const Map *m, const Band *b, const double q[3][2], int derive, double *r, double d[RESIDUALS][6]) {
    double speed2 = q[1][0] * q[1][0] + q[1][1] * q[1][1], speed = sqrt(speed2) + 1e-12;
    double c = q[1][0] / speed, s = q[1][1] / speed, g[5] = {0}, dp[2] = {0}, tx, ty;
    double cross = q[1][0] * q[2][1] - q[1][1] * q[2][0], curvature = cross / (speed * speed2 + 1e-18);
    int64_t k;
    if (!grid_cell(m, q[0][0], q[0][1], &k, &tx, &ty) || !ground(m, q[0][0], q[0][1], derive, g)) return -1;
    const int64_t layer = m->grid_columns * m->grid_rows;
    double part[3], slope[3][2];
    for (int a = 0; a < 3; a++) part[a] = bilinear(m, m->supply + a * layer, k, tx, ty, slope[a]);
    double power = part[0] + c * part[1] + s * part[2], tangent = g[0] * c + g[1] * s, grade2 = g[0] * g[0] + g[1] * g[1];
    double turning = 0.0;
    if (power < m->power_cap && power > b->least_power) {
        turning = part[2] * c - part[1] * s; /* d power / d heading */
        for (int a = 0; a < 2; a++) dp[a] = (slope[0][a] + c * slope[1][a] + s * slope[2][a]) / m->resolution;
    }
    power = fmax(fmin(power, m->power_cap), b->least_power);
    double soft = ROUNDING * b->curvature, bent = sqrt(curvature * curvature + soft * soft);
    double rate = cost_rate(m, tangent, grade2, bent - soft, power);
    double beta = sqrt(b->hinge * b->scale / (double)(b->segments * b->samples));
    double root = sqrt(rate), share = sqrt(0.5 / (speed * (double)b->samples));
    int n = derive ? 3 : 1;
    r[0] = derive ? share * root * q[1][0] : sqrt(rate * speed / (double)b->samples);
    if (derive) {
        r[1] = share * root * q[1][1];
        r[2] = share * root * speed;
    }
    double gc[2], clear = bilinear(m, m->clearance, k, tx, ty, gc);
    double tilt = sqrt(grade2), ratio = sqrt((1.0 + grade2) / (1.0 + tangent * tangent));
    double over[4] = {
        fabs(curvature) * ratio / b->curvature - 1.0, fabs(tangent) / b->tan_slope - 1.0, tilt / b->tan_tilt - 1.0,
        (b->clearance - clear) / 0.5};
    for (int h = 0; h < 4; h++) if (over[h] > 0.0) r[n++] = beta * over[h];
    if (!derive) return n;

    /* derivatives of heading, curvature, tangent of the slope, squared gradient with respect to P, P', P'' */
    double heading_d[6] = {0, 0, -s / speed, c / speed, 0, 0}, curvature_d[6], tangent_d[6], grade_d[6] = {0};
    double cube = speed * speed2;
    curvature_d[0] = curvature_d[1] = 0.0;
    curvature_d[2] = q[2][1] / cube - 3.0 * curvature * c / speed;
    curvature_d[3] = -q[2][0] / cube - 3.0 * curvature * s / speed;
    curvature_d[4] = -q[1][1] / cube;
    curvature_d[5] = q[1][0] / cube;
    double sideways = g[1] * c - g[0] * s;
    for (int a = 0; a < 6; a++) tangent_d[a] = sideways * heading_d[a];
    tangent_d[0] += g[2] * c + g[3] * s;
    tangent_d[1] += g[3] * c + g[4] * s;
    grade_d[0] = 2.0 * (g[0] * g[2] + g[1] * g[3]);
    grade_d[1] = 2.0 * (g[0] * g[3] + g[1] * g[4]);
    const double e = 1e-5;
    double rate_t = (cost_rate(m, tangent + e, grade2, bent - soft, power) - rate) / e;
    double rate_g = (cost_rate(m, tangent, grade2 + e, bent - soft, power) - rate) / e;
    double rate_k = (cost_rate(m, tangent, grade2, bent - soft + e, power) - rate) / e * curvature / bent;
    double rate_p = (cost_rate(m, tangent, grade2, bent - soft, power + e) - rate) / e;
    for (int a = 0; a < 6; a++) {
        double change = rate_t * tangent_d[a] + rate_g * grade_d[a] + rate_k * curvature_d[a] + rate_p * turning * heading_d[a];
        if (a < 2) change += rate_p * dp[a];
        change /= 2.0 * root;
        d[0][a] = share * (change * q[1][0] + (a == 2 ? root : 0.0));
        d[1][a] = share * (change * q[1][1] + (a == 3 ? root : 0.0));
        d[2][a] = share * change * speed; /* the weight w is held */
    }
    n = 3;
    for (int h = 0; h < 4; h++) {
        if (!(over[h] > 0.0)) continue;
        for (int a = 0; a < 6; a++) {
            double bend = ratio * (0.5 * grade_d[a] / (1.0 + grade2) - tangent * tangent_d[a] / (1.0 + tangent * tangent));
            double v = h == 0 ? ((curvature < 0.0 ? -1.0 : 1.0) * ratio * curvature_d[a] + fabs(curvature) * bend) / b->curvature
                     : h == 1 ? (tangent < 0.0 ? -1.0 : 1.0) * tangent_d[a] / b->tan_slope
                     : h == 2 ? grade_d[a] / (2.0 * tilt * b->tan_tilt)
                     : a < 2 ? -gc[a] / (0.5 * m->resolution) : 0.0;
            d[n][a] = beta * v;
        }
        n++;
    }
    return n;
}

/* Sum of squares at control points c; with H also the normal matrix (banded, lower) and the gradient over z. */
static double objective(const Map *m, const Band *b, const double *c, int64_t size, double *H, double *gradient) {
    double total = 0.0, w[3][4], r[RESIDUALS], d[RESIDUALS][6];
    double third = sqrt(b->smoothness * b->scale / (double)b->segments) / (b->length * b->length * b->length * b->curvature);
    if (H) {
        memset(H, 0, (size_t)(size * BAND) * sizeof *H);
        memset(gradient, 0, (size_t)size * sizeof *gradient);
    }
    for (int64_t k = 0; k < b->segments; k++) {
        const double *p = c + 2 * k;
        double local[LOCAL][LOCAL] = {{0}}, slope[LOCAL] = {0};
        int64_t count = b->samples + (k == b->segments - 1); /* the knots are among the samples: curvature peaks there */
        for (int64_t j = 0; j < count; j++) {
            basis((double)j / (double)b->samples, w);
            double q[3][2] = {{0}};
            for (int o = 0; o < 3; o++)
                for (int i = 0; i < 4; i++) {
                    q[o][0] += w[o][i] * p[2 * i];
                    q[o][1] += w[o][i] * p[2 * i + 1];
                }
            int n = sample(m, b, q, H != 0, r, d);
            if (n < 0) return INFINITY;
            for (int e = 0; e < n; e++) {
                total += r[e] * r[e];
                if (!H) continue;
                double row[LOCAL];
                for (int i = 0; i < LOCAL; i++)
                    row[i] = d[e][i & 1] * w[0][i >> 1] + d[e][2 + (i & 1)] * w[1][i >> 1] + d[e][4 + (i & 1)] * w[2][i >> 1];
                for (int i = 0; i < LOCAL; i++) {
                    slope[i] += row[i] * r[e];
                    for (int l = 0; l <= i; l++) local[i][l] += row[i] * row[l];
                }
            }
        }
        static const double JERK[4] = {-1.0, 3.0, -3.0, 1.0};
        for (int a = 0; a < 2; a++) {
            double v = third * (3.0 * (p[2 + a] - p[4 + a]) + p[6 + a] - p[a]);
            total += v * v;
            for (int i = 0; H && i < 4; i++) {
                slope[2 * i + a] += third * JERK[i] * v;
                for (int l = 0; l <= i; l++) local[2 * i + a][2 * l + a] += third * third * JERK[i] * JERK[l];
            }
        }
        for (int i = 0; H && i < LOCAL; i++) {
            int64_t at[2], to[2];
            double f[2], g[2];
            int ni = dependence(b, 2 * k + i, at, f);
            for (int x = 0; x < ni; x++) gradient[at[x]] += f[x] * slope[i];
            for (int l = 0; l < LOCAL; l++) {
                double v = l <= i ? local[i][l] : local[l][i];
                int nl = dependence(b, 2 * k + l, to, g);
                for (int x = 0; x < ni; x++)
                    for (int y = 0; y < nl; y++)
                        if (to[y] <= at[x]) H[at[x] * BAND + at[x] - to[y]] += f[x] * g[y] * v;
            }
        }
    }
    return total;
}

/* Solves (H + damping diag H) step = -gradient by a banded Cholesky factorisation in F; 0 when not positive definite. */
static int solve(const double *H, double damping, const double *gradient, int64_t n, double *F, double *step) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = BAND - 1; k >= 0; k--) {
            int64_t j = i - k;
            if (j < 0) continue;
            double v = H[i * BAND + k] * (k ? 1.0 : 1.0 + damping);
            for (int64_t l = j - 1; l >= 0 && i - l < BAND && j - l < BAND; l--) v -= F[i * BAND + i - l] * F[j * BAND + j - l];
            if (k) F[i * BAND + k] = v / F[j * BAND];
            else if (v > 0.0) F[i * BAND] = sqrt(v);
            else return 0;
        }
        double v = -gradient[i];
        for (int64_t l = i - 1; l >= 0 && i - l < BAND; l--) v -= F[i * BAND + i - l] * step[l];
        step[i] = v / F[i * BAND];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        double v = step[i];
        for (int64_t l = i + 1; l < n && l - i < BAND; l++) v -= F[l * BAND + l - i] * step[l];
        step[i] = v / F[i * BAND];
    }
    return 1;
}

/* Improves z in place and writes the control points; stops when the objective falls by less than `tolerance` of itself. */
void band_optimise(const Map *m, const Band *b, double tolerance, double *z, double *c, BandAnswer *answer) {
    int64_t n = 6 + 2 * (b->segments - 3);
    double *store = malloc((size_t)(n * (2 * BAND + 3)) * sizeof *store), *trial_c = malloc((size_t)(2 * b->segments + 6) * sizeof *c);
    double *H = store, *F = H + n * BAND, *gradient = F + n * BAND, *step = gradient + n, *trial = step + n;
    double damping = 0.1;
    int stalled = 0;
    memset(answer, 0, sizeof *answer);
    answer->objective = INFINITY;
    controls(b, z, c);
    if (store && trial_c) answer->objective = objective(m, b, c, n, H, gradient);
    for (int64_t k = 0; k < b->iterations && answer->objective < INFINITY && stalled < 2; k++) {
        answer->iterations++;
        double value = INFINITY;
        if (solve(H, damping, gradient, n, F, step)) {
            for (int64_t i = 0; i < n; i++) trial[i] = z[i] + step[i];
            double least = 0.2 * b->length;
            if (trial[0] > least && trial[n - 3] > least) {
                controls(b, trial, trial_c);
                value = objective(m, b, trial_c, n, 0, 0);
            }
        }
        if (!(value < answer->objective)) {
            if ((damping *= 4.0) > 1e6) break;
            continue;
        }
        stalled = answer->objective - value < tolerance * value ? stalled + 1 : 0;
        memcpy(z, trial, (size_t)n * sizeof *z);
        memcpy(c, trial_c, (size_t)(2 * b->segments + 6) * sizeof *c);
        answer->accepted++;
        damping = fmax(damping * 0.5, 1e-9);
        answer->objective = objective(m, b, c, n, H, gradient);
    }
    free(store);
    free(trial_c);
}
