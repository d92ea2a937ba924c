/* Objective, constraints and their derivatives for CasADi's nlpsol, from the generated stage functions.
 *
 * Sizes come from the generator: NX states, NU controls, NZ = NX + NU, SAMPLES, DATA, ROWS, CONSTANTS, PIECE.
 * Variables: z_0 .. z_{N-1} (NZ each), x_N. Parameters: N, start time, constants, pieces (PIECE each).
 * Constraints of piece k: NX gaps x_{k+1} - F(z_k), [k = 0: NX - 1 start rows], ROWS * SAMPLES limits; then
 * GOAL rows at the end. OUT = NX + LIMITS + 1 outputs of a stage: state at the end, limits, cost.
 * With SYMMETRIC_HESSIAN the Hessian is the upper triangle and gradients carry the values (IPOPT's signatures).
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef long long casadi_int; /* as CasADi's code generator has it */

/* The generated functions of a piece (stage.py), in a library of their own. */
int stage_position(const double **arg, double **res, casadi_int *iw, double *w, int mem);
int stage_value(const double **arg, double **res, casadi_int *iw, double *w, int mem);
int stage_jacobian(const double **arg, double **res, casadi_int *iw, double *w, int mem);
int stage_hessian(const double **arg, double **res, casadi_int *iw, double *w, int mem);

#define LIMITS (ROWS * SAMPLES)
#define OUT (NX + LIMITS + 1)
#define START (NX - 1)
#define GOAL 5
#define MAX_PIECES 4096

static const int start_state[9] = {0, 1, 2, 3, 4, 5, 6, 8, 9}; /* all but the unit duration */
static const int goal_state[GOAL] = {0, 1, 2, 3, 5};           /* x, y, heading at rest */
static int declared_pieces = 1;

void oracle_declare(int pieces) { declared_pieces = pieces; }

static int rows_before(int k) { return k == 0 ? 0 : k * (NX + LIMITS) + START; }

/* Field data of every sample of the last point asked for; the solver asks for several functions at the same point. */
static double cached_x[MAX_PIECES * NZ + NX], cached_p[2 + CONSTANTS + MAX_PIECES * PIECE], cached_data[MAX_PIECES * SAMPLES * DATA];
static double cached_out[MAX_PIECES * OUT], cached_jac[MAX_PIECES * OUT * NZ];
static int cached_pieces = -1, cached_derivatives = 0;

void oracle_forget(void) { cached_pieces = -1; }

static void fill_data(const double *z, const double *piece, double start, double *data) {
  double position[2 * SAMPLES];
  const double *arg[2] = {z, piece};
  double *res[1] = {position};
  stage_position(arg, res, 0, 0, 0);
  for (int j = 0; j < SAMPLES; j++) {
    double t = start + z[7] * (piece[1] + piece[0] * j / SAMPLES);
    sample_data(position[2 * j], position[2 * j + 1], t, data + j * DATA);
  }
}

static const double *data_at(const double *x, const double *p) {
  int pieces = (int)p[0], size = pieces * NZ + NX, given = 2 + CONSTANTS + pieces * PIECE;
  if (pieces == cached_pieces && memcmp(p, cached_p, given * sizeof(double)) == 0 && memcmp(x, cached_x, size * sizeof(double)) == 0)
    return cached_data;
  for (int k = 0; k < pieces; k++) fill_data(x + k * NZ, p + 2 + CONSTANTS + k * PIECE, p[1], cached_data + k * SAMPLES * DATA);
  memcpy(cached_x, x, size * sizeof(double));
  memcpy(cached_p, p, given * sizeof(double));
  cached_pieces = pieces;
  cached_derivatives = 0;
  return cached_data;
}

static void stage_at(int k, const double *x, const double *p, const double *data, const double **arg) {
  arg[0] = x + k * NZ;
  arg[1] = data + k * SAMPLES * DATA;
  arg[2] = p + 2;
  arg[3] = p + 2 + CONSTANTS + k * PIECE;
}

static double objective(const double *x, const double *p) {
  const double *data = data_at(x, p), *arg[4];
  double out[OUT], *res[1] = {out}, sum = 0;
  for (int k = 0; k < (int)p[0]; k++) {
    stage_at(k, x, p, data, arg);
    stage_value(arg, res, 0, 0, 0);
    sum += out[OUT - 1];
  }
  return sum;
}

static double *put_rows(int k, const double *x, const double *out, double *g) {
  for (int i = 0; i < NX; i++) *g++ = x[(k + 1) * NZ + i] - out[i];
  if (k == 0)
    for (int i = 0; i < START; i++) *g++ = x[start_state[i]];
  memcpy(g, out + NX, LIMITS * sizeof(double));
  return g + LIMITS;
}

static void put_goal(const double *end, double *g) {
  for (int i = 0; i < GOAL; i++) g[i] = end[goal_state[i]];
}

static void constraints(const double *x, const double *p, double *g) {
  const double *data = data_at(x, p), *arg[4];
  double out[OUT], *res[1] = {out};
  int pieces = (int)p[0];
  for (int k = 0; k < pieces; k++) {
    stage_at(k, x, p, data, arg);
    stage_value(arg, res, 0, 0, 0);
    g = put_rows(k, x, out, g);
  }
  put_goal(x + pieces * NZ, g);
}

/* Column by column: variable i of stage k enters gap k-1 (identity), gap k, the start rows (k = 0) and its limits. */
static double *put_jacobian(int k, const double *jac, double *v) {
  for (int i = 0; i < NZ; i++) {
    const double *column = jac + i * OUT;
    if (k > 0 && i < NX) *v++ = 1.0;
    for (int r = 0; r < NX; r++) *v++ = -column[r];
    if (k == 0)
      for (int r = 0; r < START; r++)
        if (start_state[r] == i) *v++ = 1.0;
    memcpy(v, column + NX, LIMITS * sizeof(double));
    v += LIMITS;
  }
  return v;
}

/* Values and Jacobians of all stages at x, kept for the gradient and the Jacobian, which are asked for at the same x. */
static void differentiate(const double *x, const double *p) {
  const double *data = data_at(x, p), *arg[4];
  if (cached_derivatives) return;
  for (int k = 0; k < (int)p[0]; k++) {
    double *res[2] = {cached_out + k * OUT, cached_jac + k * OUT * NZ};
    stage_at(k, x, p, data, arg);
    stage_jacobian(arg, res, 0, 0, 0);
  }
  cached_derivatives = 1;
}

static void jacobian(const double *x, const double *p, double *g, double *v) {
  int pieces = (int)p[0];
  differentiate(x, p);
  for (int k = 0; k < pieces; k++) {
    if (g) g = put_rows(k, x, cached_out + k * OUT, g);
    v = put_jacobian(k, cached_jac + k * OUT * NZ, v);
  }
  if (g) put_goal(x + pieces * NZ, g);
  for (int i = 0; i < NX; i++) {
    *v++ = 1.0;
    for (int r = 0; r < GOAL; r++)
      if (goal_state[r] == i) *v++ = 1.0;
  }
}

static double gradient(const double *x, const double *p, double *grad) {
  double sum = 0;
  int pieces = (int)p[0];
  differentiate(x, p);
  for (int k = 0; k < pieces; k++) {
    sum += cached_out[k * OUT + OUT - 1];
    for (int i = 0; i < NZ; i++) grad[k * NZ + i] = cached_jac[(k * NZ + i) * OUT + OUT - 1];
  }
  for (int i = 0; i < NX; i++) grad[pieces * NZ + i] = 0.0;
  return sum;
}

static void hessian(const double *x, const double *p, double factor, const double *lambda, double *v) {
  const double *data = data_at(x, p), *arg[5];
  double multipliers[OUT], block[NZ * NZ], *res[1] = {block};
  int pieces = (int)p[0];
  for (int k = 0; k < pieces; k++) {
    const double *l = lambda + rows_before(k);
    for (int i = 0; i < NX; i++) multipliers[i] = -l[i];
    memcpy(multipliers + NX, l + NX + (k == 0 ? START : 0), LIMITS * sizeof(double));
    multipliers[OUT - 1] = factor;
    stage_at(k, x, p, data, arg);
    arg[4] = multipliers;
    stage_hessian(arg, res, 0, 0, 0);
#ifdef SYMMETRIC_HESSIAN
    for (int i = 0; i < NZ; i++)
      for (int r = 0; r <= i; r++) *v++ = block[i * NZ + r];
#else
    memcpy(v, block, sizeof block);
    v += NZ * NZ;
#endif
  }
  for (int i = 0; i < NX; i++)
#ifdef SYMMETRIC_HESSIAN
    for (int r = 0; r <= i; r++) *v++ = 0.0;
#else
    for (int r = 0; r < NX; r++) *v++ = 0.0;
#endif
}

/* Limits of `count` pieces at their samples, and the state at their ends: the dense check between the solver's samples. */
void oracle_limits(const double *x, const double *p, double *ends, double *limits) {
  double data[SAMPLES * DATA], out[OUT], *res[1] = {out};
  for (int k = 0; k < (int)p[0]; k++) {
    const double *arg[4] = {x + k * NZ, data, p + 2, p + 2 + CONSTANTS + k * PIECE};
    fill_data(arg[0], arg[3], p[1], data);
    stage_value(arg, res, 0, 0, 0);
    memcpy(ends + k * NX, out, NX * sizeof(double));
    memcpy(limits + k * LIMITS, out + NX, LIMITS * sizeof(double));
  }
}

/* --- CasADi's external function interface ------------------------------------------------------------------- */

static casadi_int *dense_pattern(casadi_int rows) {
  casadi_int *s = malloc(sizeof(casadi_int) * (rows + 4));
  s[0] = rows, s[1] = 1, s[2] = 0, s[3] = rows;
  for (casadi_int i = 0; i < rows; i++) s[4 + i] = i;
  return s;
}

static casadi_int variables(void) { return (casadi_int)declared_pieces * NZ + NX; }
static casadi_int parameters(void) { return 2 + CONSTANTS + (casadi_int)declared_pieces * PIECE; }
static casadi_int constraint_rows(void) { return rows_before(declared_pieces) + GOAL; }

static casadi_int *jacobian_pattern(void) {
  int pieces = declared_pieces;
  casadi_int columns = variables(), entry = 0;
  casadi_int *s = malloc(sizeof(casadi_int) * (3 + columns + (columns + 1) * (NX + START + LIMITS + GOAL + 2)));
  casadi_int *offset = s + 2, *row = s + 3 + columns;
  s[0] = constraint_rows(), s[1] = columns;
  for (int k = 0; k < pieces; k++)
    for (int i = 0; i < NZ; i++) {
      *offset++ = entry;
      if (k > 0 && i < NX) row[entry++] = rows_before(k - 1) + i;
      for (int r = 0; r < NX; r++) row[entry++] = rows_before(k) + r;
      if (k == 0)
        for (int r = 0; r < START; r++)
          if (start_state[r] == i) row[entry++] = NX + r;
      for (int r = 0; r < LIMITS; r++) row[entry++] = rows_before(k) + NX + (k == 0 ? START : 0) + r;
    }
  for (int i = 0; i < NX; i++) {
    *offset++ = entry;
    row[entry++] = rows_before(pieces - 1) + i;
    for (int r = 0; r < GOAL; r++)
      if (goal_state[r] == i) row[entry++] = rows_before(pieces) + r;
  }
  *offset = entry;
  return s;
}

static casadi_int *hessian_pattern(void) {
  casadi_int columns = variables(), entry = 0;
  casadi_int *s = malloc(sizeof(casadi_int) * (3 + columns + columns * NZ));
  casadi_int *offset = s + 2, *row = s + 3 + columns;
  s[0] = columns, s[1] = columns;
  for (int k = 0; k <= declared_pieces; k++) {
    int size = k < declared_pieces ? NZ : NX;
    for (int i = 0; i < size; i++) {
      *offset++ = entry;
#ifdef SYMMETRIC_HESSIAN
      for (int r = 0; r <= i; r++) row[entry++] = k * NZ + r;
#else
      for (int r = 0; r < size; r++) row[entry++] = k * NZ + r;
#endif
    }
  }
  *offset = entry;
  return s;
}

static const char *input_name(casadi_int i) {
  static const char *names[] = {"x", "p", "lam_f", "lam_g"};
  return names[i];
}

#define OUTPUTS(name, first, second) \
  const char *name##_name_out(casadi_int i) { return i == 0 ? first : second; }

#define EXTERNAL(name, inputs, outputs)                                                  \
  const char *name##_name_in(casadi_int i) { return input_name(i); }                     \
  casadi_int name##_n_in(void) { return inputs; }                                        \
  casadi_int name##_n_out(void) { return outputs; }                                      \
  const casadi_int *name##_sparsity_in(casadi_int i) {                                   \
    return dense_pattern(i == 0 ? variables() : i == 1 ? parameters() : i == 2 ? 1 : constraint_rows()); \
  }                                                                                      \
  int name##_work(casadi_int *sz_arg, casadi_int *sz_res, casadi_int *sz_iw, casadi_int *sz_w) { \
    *sz_arg = inputs, *sz_res = outputs, *sz_iw = 0, *sz_w = 0;                          \
    return 0;                                                                            \
  }                                                                                      \
  int name(const double **arg, double **res, casadi_int *iw, double *w, int mem)

OUTPUTS(nlp, "f", "g")
EXTERNAL(nlp, 2, 2) {
  if (res[0]) *res[0] = objective(arg[0], arg[1]);
  if (res[1]) constraints(arg[0], arg[1], res[1]);
  return 0;
}
const casadi_int *nlp_sparsity_out(casadi_int i) { return dense_pattern(i == 0 ? 1 : constraint_rows()); }

OUTPUTS(nlp_f, "f", "")
EXTERNAL(nlp_f, 2, 1) {
  if (res[0]) *res[0] = objective(arg[0], arg[1]);
  return 0;
}
const casadi_int *nlp_f_sparsity_out(casadi_int i) { return dense_pattern(1); }

OUTPUTS(nlp_g, "g", "")
EXTERNAL(nlp_g, 2, 1) {
  if (res[0]) constraints(arg[0], arg[1], res[0]);
  return 0;
}
const casadi_int *nlp_g_sparsity_out(casadi_int i) { return dense_pattern(constraint_rows()); }

#ifdef SYMMETRIC_HESSIAN
OUTPUTS(nlp_grad_f, "f", "grad_f_x")
EXTERNAL(nlp_grad_f, 2, 2) {
  static double scratch[MAX_PIECES * NZ + NX];
  double f = gradient(arg[0], arg[1], res[1] ? res[1] : scratch);
  if (res[0]) *res[0] = f;
  return 0;
}
const casadi_int *nlp_grad_f_sparsity_out(casadi_int i) { return dense_pattern(i == 0 ? 1 : variables()); }
#else
OUTPUTS(nlp_grad_f, "grad_f_x", "")
EXTERNAL(nlp_grad_f, 2, 1) {
  if (res[0]) gradient(arg[0], arg[1], res[0]);
  return 0;
}
const casadi_int *nlp_grad_f_sparsity_out(casadi_int i) { return dense_pattern(variables()); }
#endif

OUTPUTS(nlp_jac_g, "g", "jac_g_x")
EXTERNAL(nlp_jac_g, 2, 2) {
  if (res[1]) jacobian(arg[0], arg[1], res[0], res[1]);
  else if (res[0]) constraints(arg[0], arg[1], res[0]);
  return 0;
}
const casadi_int *nlp_jac_g_sparsity_out(casadi_int i) { return i == 0 ? dense_pattern(constraint_rows()) : jacobian_pattern(); }

#ifdef SYMMETRIC_HESSIAN
OUTPUTS(nlp_hess_l, "triu_hess_gamma_x_x", "")
EXTERNAL(nlp_hess_l, 4, 1) {
  if (res[0]) hessian(arg[0], arg[1], *arg[2], arg[3], res[0]);
  return 0;
}
const casadi_int *nlp_hess_l_sparsity_out(casadi_int i) { return hessian_pattern(); }
#else
OUTPUTS(nlp_hess_l, "grad_gamma_x", "hess_gamma_x_x")
EXTERNAL(nlp_hess_l, 4, 2) { /* the solver never reads the gradient of the Lagrangian */
  if (res[0]) memset(res[0], 0, sizeof(double) * ((int)arg[1][0] * NZ + NX));
  if (res[1]) hessian(arg[0], arg[1], *arg[2], arg[3], res[1]);
  return 0;
}
const casadi_int *nlp_hess_l_sparsity_out(casadi_int i) { return i == 0 ? dense_pattern(variables()) : hessian_pattern(); }
#endif

/* Asked for once after the solve; only the values are used, the multipliers are the solver's own. */
const char *nlp_grad_name_out(casadi_int i) {
  static const char *names[] = {"f", "g", "grad_gamma_x", "grad_gamma_p"};
  return names[i];
}
EXTERNAL(nlp_grad, 4, 4) {
  if (res[0]) *res[0] = objective(arg[0], arg[1]);
  if (res[1]) constraints(arg[0], arg[1], res[1]);
  int pieces = (int)arg[1][0];
  if (res[2]) memset(res[2], 0, sizeof(double) * (pieces * NZ + NX));
  if (res[3]) memset(res[3], 0, sizeof(double) * (2 + CONSTANTS + pieces * PIECE));
  return 0;
}
const casadi_int *nlp_grad_sparsity_out(casadi_int i) {
  return dense_pattern(i == 0 ? 1 : i == 1 ? constraint_rows() : i == 2 ? variables() : parameters());
}
