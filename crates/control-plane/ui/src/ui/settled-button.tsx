// A button for what is not taken back. Until it has stood still for a while it does nothing, and looks so.

import { type ComponentProps, useRef } from "react";
import { useSettled } from "./settled";

export function SettledButton({ onClick, ...props }: Omit<ComponentProps<"button">, "onClick"> & { onClick?: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  const [settled, look] = useSettled(button);
  return <button type="button" {...props} ref={button} aria-disabled={settled ? undefined : true} onClick={(event) => (look() ? onClick?.() : event.preventDefault())} />;
}
