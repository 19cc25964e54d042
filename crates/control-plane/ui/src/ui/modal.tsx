// Dialogs: one that holds a form, one that asks whether to go on.

import * as AlertDialog from "@radix-ui/react-alert-dialog";
import * as Dialog from "@radix-ui/react-dialog";
import { type ReactNode, useCallback, useState } from "react";
import { useEscape } from "./escape";

export function Modal(props: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** For what needs room. */
  wide?: boolean;
  children: ReactNode;
}) {
  const { open, onOpenChange } = props;
  const close = useCallback(() => onOpenChange(false), [onOpenChange]);
  useEscape(open, close);
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className={props.wide ? "dialog is-wide" : "dialog"} aria-describedby={undefined}>
          <Dialog.Title>{props.title}</Dialog.Title>
          {props.children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** A button that asks first. */
export function ConfirmButton(props: {
  label: string;
  title: string;
  question: string;
  explanation: string;
  danger?: boolean;
  disabled?: boolean;
  action: () => Promise<unknown>;
}) {
  const [busy, setBusy] = useState(false);
  const [open, setOpen] = useState(false);
  const close = useCallback(() => setOpen(false), []);
  useEscape(open, close);
  const act = async (): Promise<void> => {
    setBusy(true);
    await props.action();
    setBusy(false);
  };
  return (
    <AlertDialog.Root open={open} onOpenChange={setOpen}>
      <AlertDialog.Trigger className={props.danger ? "danger" : undefined} title={props.title} disabled={props.disabled || busy}>
        {props.label}
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="overlay" />
        <AlertDialog.Content className="dialog">
          <AlertDialog.Title>{props.question}</AlertDialog.Title>
          <AlertDialog.Description className="muted">{props.explanation}</AlertDialog.Description>
          <div className="form-actions">
            <AlertDialog.Cancel>Cancel</AlertDialog.Cancel>
            <AlertDialog.Action className={props.danger ? "danger-solid" : "primary"} onClick={() => void act()}>
              {props.label}
            </AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
