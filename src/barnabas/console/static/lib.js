// What every page uses: preact, its hooks, and htm in place of JSX.
import { h, render, Fragment } from './vendor/preact/preact.js';
import {
  useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState,
} from './vendor/preact/hooks.js';
import htm from './vendor/htm/htm.js';

export const html = htm.bind(h);
export {
  Fragment, h, render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState,
};
