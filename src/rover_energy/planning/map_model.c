/* What the front end of the planner knows about the map: ground, supply, clearance and the cost of driving there.
 *
 * Shared by the search and the smoothing, which are compiled behind this text as one unit. The structure is mirrored
 * field by field in native_map.py. Lengths are horizontal metres, headings are given by cosine and sine. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, MAP_EDGE, NO_DATA, KEEP_OUT, TILT, ALONG_SLOPE, POWER, REASONS };

typedef struct {
    /* ground: bicubic B-spline, padded by one node on each side */
    const double *coefficients;
    int64_t columns, rows;
    double x0, y0, cell;
    /* grid of the cost map */
    const double *supply;       /* [3][grid_rows][grid_columns]: W, mean and cosine and sine part over the heading */
    const double *clearance;    /* [grid_rows][grid_columns] m, negative where blocked */
    const uint8_t *obstacle;    /* [grid_rows][grid_columns]: reason of the nearest obstacle */
    const float *edge_cost;     /* [grid_rows][grid_columns][directions] */
    const int64_t *offsets;     /* [directions][2]: column and row step */
    int64_t grid_columns, grid_rows, directions;
    double grid_x0, grid_y0, resolution;
    double least_cost;          /* lower bound of the cost per metre anywhere */
    /* demand of steady driving */
    const double *traction;     /* 1/(1 - slip) over tan(along_slope), uniform from -traction_reach to traction_reach */
    const double *resistance;   /* force at rest over cos(tilt), uniform from resistance_low to 1 [N] */
    int64_t traction_count, resistance_count;
    double traction_reach, resistance_low;
    double weight, linear, quadratic, efficiency, turn_moment;
    double power_cap, constant_load, time_weight, energy_weight;
    /* limits */
    double speed, yaw_rate, curvature, tan_slope, tan_tilt, clearance_margin;
} Map;

static double look_up(const double *table, int64_t count, double position) {
    double p = fmin(fmax(position, 0.0), (double)(count - 1));
    int64_t i = (int64_t)p;
    if (i > count - 2) i = count - 2;
    return table[i] + (p - (double)i) * (table[i + 1] - table[i]);
}

static double traction_factor(const Map *m, double tangent) {
    return look_up(m->traction, m->traction_count, (tangent / m->traction_reach + 1.0) * 0.5 * (double)(m->traction_count - 1));
}

static double resistance_at_rest(const Map *m, double cos_tilt) {
    double position = (cos_tilt - m->resistance_low) / (1.0 - m->resistance_low);
    return look_up(m->resistance, m->resistance_count, position * (double)(m->resistance_count - 1));
}

/* Gradient, and with `second` also hxx, hxy, hyy in g[2..4]; 0 outside the map. */
static int ground(const Map *m, double x, double y, int second, double *g) {
    double px = (x - m->x0) / m->cell, py = (y - m->y0) / m->cell;
    if (!(px >= 0.0 && py >= 0.0 && px <= (double)(m->columns - 3) && py <= (double)(m->rows - 3))) return 0;
    int64_t i = (int64_t)px, j = (int64_t)py;
    if (i > m->columns - 4) i = m->columns - 4;
    if (j > m->rows - 4) j = m->rows - 4;
    double w[2][3][4], t[2] = {px - (double)i, py - (double)j};
    for (int a = 0; a < 2; a++) {
        double u = t[a], v = 1.0 - u;
        w[a][0][0] = v * v * v / 6.0;
        w[a][0][1] = (4.0 + u * u * (3.0 * u - 6.0)) / 6.0;
        w[a][0][2] = (4.0 + v * v * (3.0 * v - 6.0)) / 6.0;
        w[a][0][3] = u * u * u / 6.0;
        w[a][1][0] = -0.5 * v * v;
        w[a][1][1] = u * (1.5 * u - 2.0);
        w[a][1][2] = -v * (1.5 * v - 2.0);
        w[a][1][3] = 0.5 * u * u;
        w[a][2][0] = v;
        w[a][2][1] = 3.0 * u - 2.0;
        w[a][2][2] = 3.0 * v - 2.0;
        w[a][2][3] = u;
    }
    double hx = 0, hy = 0, hxx = 0, hxy = 0, hyy = 0;
    const double *c = m->coefficients + j * m->columns + i;
    for (int b = 0; b < 4; b++, c += m->columns) {
        double r0 = w[0][0][0] * c[0] + w[0][0][1] * c[1] + w[0][0][2] * c[2] + w[0][0][3] * c[3];
        double r1 = w[0][1][0] * c[0] + w[0][1][1] * c[1] + w[0][1][2] * c[2] + w[0][1][3] * c[3];
        hx += w[1][0][b] * r1;
        hy += w[1][1][b] * r0;
        if (second) {
            double r2 = w[0][2][0] * c[0] + w[0][2][1] * c[1] + w[0][2][2] * c[2] + w[0][2][3] * c[3];
            hxx += w[1][0][b] * r2;
            hxy += w[1][1][b] * r1;
            hyy += w[1][2][b] * r0;
        }
    }
    double k = 1.0 / m->cell;
    g[0] = hx * k;
    g[1] = hy * k;
    if (second) {
        g[2] = hxx * k * k;
        g[3] = hxy * k * k;
        g[4] = hyy * k * k;
    }
    return 1;
}

/* Cell of the cost map and position in it; 0 outside. */
static int grid_cell(const Map *m, double x, double y, int64_t *corner, double *tx, double *ty) {
    double px = (x - m->grid_x0) / m->resolution, py = (y - m->grid_y0) / m->resolution;
    if (!(px >= 0.0 && py >= 0.0 && px <= (double)(m->grid_columns - 1) && py <= (double)(m->grid_rows - 1))) return 0;
    int64_t i = (int64_t)px, j = (int64_t)py;
    if (i > m->grid_columns - 2) i = m->grid_columns - 2;
    if (j > m->grid_rows - 2) j = m->grid_rows - 2;
    *corner = j * m->grid_columns + i;
    *tx = px - (double)i;
    *ty = py - (double)j;
    return 1;
}

/* Bilinear value, with its derivatives per cell in d[0], d[1]. */
static double bilinear(const Map *m, const double *f, int64_t k, double tx, double ty, double *d) {
    double a = f[k], b = f[k + 1], c = f[k + m->grid_columns], e = f[k + m->grid_columns + 1];
    double south = a + tx * (b - a), north = c + tx * (e - c);
    if (d) {
        d[0] = (b - a) + ty * ((e - c) - (b - a));
        d[1] = north - south;
    }
    return south + ty * (north - south);
}

/* Fastest steady speed along the surface whose demand stays under `power` [m/s]; 0 without power. `turn` is the yaw rate
 * per speed. The demand is convex and increasing in speed, so Newton from above converges without overshooting. */
static double steady_speed(const Map *m, double power, double sine, double tangent, double cos_tilt, double turn) {
    if (!(power > 0.0)) return 0.0;
    double cap = m->speed;
    if (turn * cap > m->yaw_rate) cap = m->yaw_rate / turn;
    double force = m->weight * sine + resistance_at_rest(m, cos_tilt), factor = traction_factor(m, tangent);
    double wanted = power * m->efficiency, v = cap;
    for (int k = 0; k < 30; k++) {
        double f = force + v * (m->linear + v * m->quadratic);
        double slope = f > 0.0 ? factor * (force + v * (2.0 * m->linear + 3.0 * v * m->quadratic)) : 0.0;
        double excess = (f > 0.0 ? factor * f * v : 0.0) + m->turn_moment * turn * v - wanted;
        if (excess <= 1e-9 * wanted) break;
        v -= excess / (slope + m->turn_moment * turn);
    }
    return v;
}

/* Cost per horizontal metre with everything that it depends on; INFINITY without power. */
static double cost_rate(const Map *m, double tangent, double grade2, double curvature, double power) {
    double cosine = 1.0 / sqrt(1.0 + tangent * tangent), cos_tilt = 1.0 / sqrt(1.0 + grade2);
    double turn = fabs(curvature) * cosine / cos_tilt, sine = tangent * cosine;
    double v = steady_speed(m, power, sine, tangent, cos_tilt, turn);
    if (!(v > 0.0)) return INFINITY;
    double cost = m->time_weight;
    if (m->energy_weight > 0.0) {
        double f = m->weight * sine + resistance_at_rest(m, cos_tilt) + v * (m->linear + v * m->quadratic);
        double drive = (fmax(0.0, f) * traction_factor(m, tangent) * v + m->turn_moment * turn * v) / m->efficiency;
        cost += m->energy_weight * (m->constant_load + drive);
    }
    return cost / (v * cosine);
}

/* Cost per horizontal metre at a pose, INFINITY and the reason where a limit is passed. */
static double pose_cost(const Map *m, double x, double y, double c, double s, double curvature, int *reason) {
    int64_t k;
    double tx, ty, g[5];
    *reason = MAP_EDGE;
    if (!grid_cell(m, x, y, &k, &tx, &ty) || !ground(m, x, y, 0, g)) return INFINITY;
    if (!(bilinear(m, m->clearance, k, tx, ty, 0) >= m->clearance_margin)) {
        *reason = m->obstacle[k + (tx > 0.5) + (ty > 0.5) * m->grid_columns];
        return INFINITY;
    }
    double grade2 = g[0] * g[0] + g[1] * g[1], tangent = g[0] * c + g[1] * s;
    *reason = TILT;
    if (!(grade2 <= m->tan_tilt * m->tan_tilt)) return INFINITY;
    *reason = ALONG_SLOPE;
    if (!(fabs(tangent) <= m->tan_slope)) return INFINITY;
    const int64_t layer = m->grid_columns * m->grid_rows;
    double power = bilinear(m, m->supply, k, tx, ty, 0) + c * bilinear(m, m->supply + layer, k, tx, ty, 0)
                 + s * bilinear(m, m->supply + 2 * layer, k, tx, ty, 0);
    *reason = POWER;
    double cost = cost_rate(m, tangent, grade2, curvature, fmin(power, m->power_cap));
    if (cost < INFINITY) *reason = OK;
    return cost;
}
