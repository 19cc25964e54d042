// Parts of the page that are loaded when they are needed. One that does not come, or fails, says so in its own place, and can be asked for again.

import { Component, type ComponentType, type ReactNode, Suspense, lazy, useState } from "react";
import { Failed } from "./states";

/** Between the tries to load a part, in milliseconds. */
const WAITS_MS = [500, 1500];

async function patiently<T>(load: () => Promise<T>): Promise<T> {
  for (const wait of WAITS_MS) {
    try {
      return await load();
    } catch {
      await new Promise((done) => setTimeout(done, wait));
    }
  }
  return load().catch((error: unknown) => {
    console.error(error);
    throw new Error("This part of the page could not be loaded.");
  });
}

/** What stands in the place of a part: while it is loaded, and when it failed; `failed` is given what says why. */
interface InPlace<Props> {
  loading: (props: Props) => ReactNode;
  failed?: (props: Props, why: ReactNode) => ReactNode;
}

export function lazyPart<Props extends object>(load: () => Promise<ComponentType<Props>>, { loading, failed = (_, why) => why }: InPlace<Props>): ComponentType<Props> {
  // React keeps that a part did not come: who tries again, or comes later, takes another one.
  const make = () =>
    lazy(async () => {
      try {
        return { default: await patiently(load) };
      } catch (error) {
        newest = make();
        throw error;
      }
    });
  let newest = make();
  return function LazyPart(props: Props) {
    const [Part, setPart] = useState(() => newest);
    const [tries, setTries] = useState(0);
    const again = (): void => {
      setPart(() => newest);
      setTries(tries + 1);
    };
    return (
      // A browser may keep that it did not come, too, and a newer server has other parts: then only the whole page helps.
      <Boundary key={tries} failed={(error) => failed(props, <Failed error={error} retry={again} reload={tries > 0} />)}>
        <Suspense fallback={loading(props)}>
          <Part {...props} />
        </Suspense>
      </Boundary>
    );
  };
}

/** React has boundaries as classes only. */
class Boundary extends Component<{ failed: (error: unknown) => ReactNode; children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {};
  static getDerivedStateFromError = (error: unknown) => ({ error });
  override render(): ReactNode {
    return "error" in this.state ? this.props.failed(this.state.error) : this.props.children;
  }
}
