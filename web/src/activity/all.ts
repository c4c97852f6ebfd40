import { PAGES_MAX, transactionPage, type Transaction } from "../api/queries";

/** As the API has it. */
const PAGE_MAX = 200;

export interface Everything {
  transactions: Transaction[];
  /** Whether there were more than are read. */
  isCut: boolean;
}

/** Reads page after page, until `isEnough` says so of the last one read. */
export async function readAll(walletId: number | null, isEnough: (last: Transaction) => boolean = () => false): Promise<Everything> {
  const transactions: Transaction[] = [];
  let before: number | null = null;
  for (let page = 0; page < PAGES_MAX; page++) {
    const { transactions: more, next }: Awaited<ReturnType<typeof transactionPage>> = await transactionPage(before, walletId, PAGE_MAX);
    transactions.push(...more);
    const last = more.at(-1);
    if (next == null || last === undefined || isEnough(last)) return { transactions, isCut: false };
    before = next;
  }
  return { transactions, isCut: true };
}
