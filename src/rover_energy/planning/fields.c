/* Fields over the map for the oracle: height, sunlit fraction, clearance, and the Sun.
 *
 * Every field is a uniform bicubic B-spline whose coefficients the caller keeps alive: setting another map is a
 * matter of pointers, nothing is compiled again. Beyond the map the nearest cell's polynomial goes on; the clearance
 * field is negative there.
 */

#include <math.h>
#include <stddef.h>

typedef struct {
  const double *coefficients; /* (slices, rows, columns); NULL: the field is `constant` */
  int rows, columns;
  double x0, y0, cell, constant; /* x0, y0: first node inside the padding */
} Field;

static Field field_height, field_sunlit = {0, 0, 0, 0, 0, 1, 1.0}, field_clearance = {0, 0, 0, 0, 0, 1, 1.0};
static const double *scene; /* (slices, 5): Sun vector, direct, diffuse */
static double scene_start, scene_step;
static int scene_slices;

void fields_set(int which, const double *coefficients, int rows, int columns, double x0, double y0, double cell, double constant) {
  Field field = {coefficients, rows, columns, x0, y0, cell, constant};
  *(which == 0 ? &field_height : which == 1 ? &field_sunlit : &field_clearance) = field;
}

void scene_set(const double *slices, int count, double start, double step) {
  scene = slices;
  scene_slices = count;
  scene_start = start;
  scene_step = step;
}

/* Cell index and the four basis functions with their first three derivatives per metre. */
static int basis(double position, double cell, int nodes, double b[4][4]) {
  double u = position / cell;
  int i = (int)floor(u);
  if (!(i >= 0)) i = 0;
  if (i > nodes - 2) i = nodes - 2;
  double t = u - i, s = 1 - t, k = 1 / cell;
  b[0][0] = s * s * s / 6;
  b[0][1] = (3 * t * t * t - 6 * t * t + 4) / 6;
  b[0][2] = (-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6;
  b[0][3] = t * t * t / 6;
  b[1][0] = -k * s * s / 2;
  b[1][1] = k * (1.5 * t * t - 2 * t);
  b[1][2] = k * (-1.5 * t * t + t + 0.5);
  b[1][3] = k * t * t / 2;
  b[2][0] = k * k * s;
  b[2][1] = k * k * (3 * t - 2);
  b[2][2] = k * k * (1 - 3 * t);
  b[2][3] = k * k * t;
  b[3][0] = -k * k * k;
  b[3][1] = 3 * k * k * k;
  b[3][2] = -3 * k * k * k;
  b[3][3] = k * k * k;
  return i;
}

/* All partial derivatives from total order `lowest` to `highest` (4 at most), x order falling within a total order. */
static double *field_derivatives(const Field *f, int slice, double x, double y, int lowest, int highest, double *out) {
  double bx[4][4], by[4][4], part[4][4];
  int i = basis(x - f->x0, f->cell, f->columns - 2, bx);
  int j = basis(y - f->y0, f->cell, f->rows - 2, by);
  int top = highest < 3 ? highest : 3;
  const double *c = f->coefficients + ((long)slice * f->rows + j) * f->columns + i;
  for (int dy = 0; dy <= top; dy++)
    for (int col = 0; col < 4; col++)
      part[dy][col] = by[dy][0] * c[col] + by[dy][1] * c[f->columns + col] + by[dy][2] * c[2 * f->columns + col] +
                      by[dy][3] * c[3 * f->columns + col];
  for (int order = lowest; order <= highest; order++)
    for (int dx = order; dx >= 0; dx--) {
      int dy = order - dx;
      *out++ = dx > 3 || dy > 3 ? 0.0
                                : bx[dx][0] * part[dy][0] + bx[dx][1] * part[dy][1] + bx[dx][2] * part[dy][2] + bx[dx][3] * part[dy][3];
    }
  return out;
}

static double *blended_derivatives(const Field *f, int slice, double blend, double x, double y, double *out) {
  if (!f->coefficients) {
    for (int i = 0; i < 6; i++) out[i] = i ? 0.0 : f->constant;
    return out + 6;
  }
  field_derivatives(f, slice, x, y, 0, 2, out);
  if (blend > 0) {
    double next[6];
    field_derivatives(f, slice + 1, x, y, 0, 2, next);
    for (int i = 0; i < 6; i++) out[i] += blend * (next[i] - out[i]);
  }
  return out + 6;
}

/* The data of one sample in the order that stage.py declares. */
static void sample_data(double x, double y, double t, double *out) {
  int slice = 0;
  double blend = 0;
  if (scene_slices > 1) {
    double u = (t - scene_start) / scene_step;
    slice = (int)floor(u);
    if (!(slice >= 0)) slice = 0;
    if (slice > scene_slices - 2) slice = scene_slices - 2;
    blend = u - slice;
    blend = blend < 0 ? 0 : blend > 1 ? 1 : blend;
  }
  out = field_derivatives(&field_height, 0, x, y, 1, 4, out);
  out = blended_derivatives(&field_sunlit, slice, blend, x, y, out);
  out = blended_derivatives(&field_clearance, 0, 0.0, x, y, out);
  const double *now = scene + 5 * slice;
  for (int i = 0; i < 5; i++) out[i] = blend > 0 ? now[i] + blend * (now[i + 5] - now[i]) : now[i];
}
